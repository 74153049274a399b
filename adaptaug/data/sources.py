"""Data sets by name, loaded once per process."""

from collections.abc import Callable

import torch

from adaptaug.data.examples import Examples, Source, make_source
from adaptaug.data.mentions import mentions
from adaptaug.data.opinions import opinions
from adaptaug.data.splitting import stratified_order

_DIGITS_TEST_ROWS = 597


def load(name: str) -> Source:
    """Load a data set; a second call in the same process returns the same object.

    Args:
        name: "digits" (scikit-learn's, 8x8 grayscale), "opinions" (sentences) or "mentions"
            (tagged sentences), which need no network; a hub id such as "ylecun/mnist"; or a local
            folder that `datasets.load_dataset` can read.

    Raises:
        AdaptAugError: an unknown name, or data that breaks a rule; the sentence says which.
    """
    if name not in _loaded:
        embedded = EMBEDDED.get(name)
        _loaded[name] = embedded() if embedded else _from_hub(name)
    return _loaded[name]


def preload(source: Source) -> None:
    """Make `load(source.name)` return ``source`` in this process.

    For worker processes, which are handed tensors instead of decoding files again, and for a
    user's own data.
    """
    _loaded[source.name] = source


def _from_hub(name: str) -> Source:
    from adaptaug.data.hub import load_hub  # takes a second, which who brings own tensors saves

    return load_hub(name)


def digits() -> Source:
    """Scikit-learn's 1,797 digits, 8x8: a pool of 1,200 and a fixed, stratified test of 597."""
    from sklearn.datasets import load_digits  # takes a second, which workers handed tensors save

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images) * (255 / 16)  # scikit-learn's range is 0..16
    inputs = pixels.round().to(torch.uint8).unsqueeze(1)  # (1797, 1, 8, 8)
    targets = torch.from_numpy(bunch.target).to(torch.int64)
    order = stratified_order(targets, torch.Generator().manual_seed(0))
    everything = Examples(inputs, targets)
    test, pool = order[:_DIGITS_TEST_ROWS], order[_DIGITS_TEST_ROWS:]
    names = [str(name) for name in bunch.target_names]
    return make_source("digits", everything[pool], everything[test], names)


EMBEDDED: dict[str, Callable[[], Source]] = {
    "digits": digits,
    "opinions": opinions,
    "mentions": mentions,
}
"""Data sets that a dependency carries or that the project makes: one line each."""

_loaded: dict[str, Source] = {}
