"""Loads data sets by name, once per process: built-in ones, hub ids and local folders."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from PIL import Image
from torch import Tensor

from adaptaug.data.examples import Examples, Source, make_source
from adaptaug.data.images import Layout, decode
from adaptaug.data.options import ReadOptions
from adaptaug.data.splitting import stratified_order
from adaptaug.errors import AdaptAugError
from adaptaug.utils.optional import needs

_DIGITS_TEST_ROWS = 597


def load(name: str) -> Source:
    """Loads a data set; a second call in the same process returns the same object.

    Args:
        name: "digits" (scikit-learn's, 8x8 grayscale), "opinions" (sentences) or "mentions"
            (tagged sentences), which need no network; a hub id such as "ylecun/mnist"; or a local
            folder that `datasets.load_dataset` can read. Options after a "?" say how it is read
            (see `adaptaug.data.options`): "imagenette?size=64&mode=RGB" resizes and converts
            images, "imdb?words=30000" keeps more words. "shapes?seed=17" is a made-up task: see
            `GENERATED`.

    Raises:
        AdaptAugError: an unknown name or option, a made-up task without a seed, data that break a
            rule, or the extra `search`, which digits, folders and hub ids need, is not installed;
            the message says which.
    """
    if name not in _loaded:
        place, options = ReadOptions.parse(name)
        if place in GENERATED:
            _loaded[name] = _generated(place, name, options)
        else:
            embedded = EMBEDDED.get(place)
            _loaded[name] = _as_chosen(embedded(), name, options) if embedded else _from_hub(name)
    return _loaded[name]


def preload(source: Source) -> None:
    """Makes `load(source.name)` return `source` in this process.

    For a user's own data, and for worker processes, which receive the tensors so that they need not
    decode files again.
    """
    _loaded[source.name] = source


def _from_hub(name: str) -> Source:
    with needs("search", f"data set '{name}', which is not built in,"):
        from adaptaug.data.hub import load_hub  # imported late: takes a second

    return load_hub(name)


def _generated(place: str, name: str, options: ReadOptions) -> Source:
    """A made-up task, under the name that it was asked for by."""
    options.check("generated", name)
    if options.seed is None:
        raise AdaptAugError(f"a made-up task needs a seed, as in '{place}?seed=17', got '{name}'")
    return replace(GENERATED[place](options.seed), name=name)


def _as_chosen(source: Source, name: str, options: ReadOptions) -> Source:
    """A built-in data set, with its images resized and converted as the options say."""
    if name == source.name:
        return source
    options.check(source.modality, name)
    if source.modality != "image":
        raise AdaptAugError(f"the vocabulary of a built-in data set is fixed, got '{name}'")
    layout: Layout | None = None
    parts: list[Examples] = []
    for part, examples in (("train", source.train), ("test", source.test)):
        read = partial(_image, examples.inputs)
        place = f"split '{part}' of data set '{name}'"
        inputs, layout, _ = decode(read, len(examples), place, layout, options)
        parts.append(Examples(inputs, examples.targets))
    return make_source(name, parts[0], parts[1], source.classes)


def _image(images: Tensor, row: int) -> Image.Image:
    """One of the grayscale images, uint8 (N, 1, H, W), as a PIL image."""
    return Image.fromarray(images[row, 0].numpy())


def digits() -> Source:
    """Scikit-learn's 1,797 digits, 8x8: a pool of 1,200 and a fixed, stratified test of 597."""
    with needs("search", "data set 'digits'"):
        from sklearn.datasets import load_digits  # imported late: takes a second

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images) * (255 / 16)  # scikit-learn's range is 0..16
    inputs = pixels.round().to(torch.uint8).unsqueeze(1)  # (1797, 1, 8, 8)
    targets = torch.from_numpy(bunch.target).to(torch.int64)
    order = stratified_order(targets, torch.Generator().manual_seed(0))
    everything = Examples(inputs, targets)
    # The first 597 rows were the test of all results up to November 2026, by which policies were
    # chosen.
    pool, test = order[:-_DIGITS_TEST_ROWS], order[-_DIGITS_TEST_ROWS:]
    names = [str(name) for name in bunch.target_names]
    return make_source("digits", everything[pool], everything[test], names)


def _opinions() -> Source:
    from adaptaug.data.toy.opinions import opinions  # imported late: not all users need it

    return opinions()


def _mentions() -> Source:
    from adaptaug.data.toy.mentions import mentions

    return mentions()


def _shapes(seed: int) -> Source:
    from adaptaug.data.toy.shapes import shapes

    return shapes(seed)


def _sentences(seed: int) -> Source:
    from adaptaug.data.toy.sentences import sentences

    return sentences(seed)


def _entities(seed: int) -> Source:
    from adaptaug.data.toy.entities import entities

    return entities(seed)


EMBEDDED: dict[str, Callable[[], Source]] = {
    "digits": digits,
    "opinions": _opinions,
    "mentions": _mentions,
}
"""Built-in data sets, which need no network, by name: one line each."""

GENERATED: dict[str, Callable[[int], Source]] = {
    "shapes": _shapes,
    "sentences": _sentences,
    "entities": _entities,
}
"""Families of tasks made from a seed, which need no network, by name: one entry each."""

_loaded: dict[str, Source] = {}
