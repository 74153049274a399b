"""Options in a data set's name: parsed, checked, and applied to images and vocabularies."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adaptaug.data import load
from adaptaug.data.images import decode
from adaptaug.data.options import ReadOptions
from adaptaug.data.vocabulary import MAX_WORDS, SPECIALS
from adaptaug.errors import AdaptAugError

PLACE = "split 'train' of data set 'x'"


@pytest.mark.parametrize(
    ("name", "place", "options"),
    [
        ("a/b", "a/b", ReadOptions()),
        ("a?", "a", ReadOptions()),
        ("a?size=64&mode=RGB", "a", ReadOptions(size=64, mode="RGB")),
        ("a?words=3", "a", ReadOptions(words=3)),
        ("a?seed=0", "a", ReadOptions(seed=0)),
        ("a?skip_broken=1&size=8", "a", ReadOptions(size=8, skip_broken=True)),
        ("a?skip_broken=0", "a", ReadOptions()),
    ],
)
def test_name_is_parsed_into_place_and_options(name: str, place: str, options: ReadOptions) -> None:
    assert ReadOptions.parse(name) == (place, options)


def test_vocabulary_is_the_default_one_without_an_option() -> None:
    assert (ReadOptions().max_words, ReadOptions(words=3).max_words) == (MAX_WORDS, 3)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("crop=3", "mode, words, seed, skip_broken, each once, got 'crop=3' in data set 'a"),
        ("size=3&size=3", "must be among size, mode, .*, each once, got 'size=3'"),
        ("size=0", "'size' must be a whole number of at least 1, got '0'"),
        ("size=big", "'size' must be a whole number of at least 1, got 'big'"),
        ("words", "'words' must be a whole number of at least 1, got ''"),
        ("mode=CMYK", "'mode' must be one of L, RGB, got 'CMYK'"),
        ("skip_broken=yes", "'skip_broken' must be 0 or 1, got 'yes'"),
        ("seed=-1", "'seed' must be a whole number from 0 to 4294967295, got '-1'"),
        ("seed=4294967296", "'seed' must be a whole number from 0 to 4294967295, got '4294967296'"),
    ],
)
def test_unknown_or_wrong_option_is_refused(query: str, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        ReadOptions.parse(f"a?{query}")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("digits?words=9", "of image data must be among size, mode, skip_broken, got 'words'"),
        ("opinions?size=9", "options of text data must be among words, got 'size'"),
        ("opinions?words=9", "the vocabulary of a built-in data set is fixed"),
        ("digits?seed=9", "image data must be among size, mode, skip_broken, got 'seed'"),
        ("opinions?skip_broken=1", "of text data must be among words, got 'skip_broken'"),
        ("shapes?seed=9&size=9", "options of generated data must be among seed, got 'size'"),
        ("shapes", "a made-up task needs a seed, as in 'shapes\\?seed=17', got 'shapes'"),
        ("/no/such/place?size=9", "must be an existing folder, got '/no/such/place'"),
    ],
)
def test_option_for_another_modality_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        load(name)


def test_image_becomes_its_central_square_with_antialias() -> None:
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, 2:6] = [[0, 200, 100, 100]] * 4  # the central square
    pixels[:, :2] = pixels[:, 6:] = 255
    options = ReadOptions(size=1)
    image, layout, _ = decode(lambda _: Image.fromarray(pixels), 1, PLACE, None, options)
    assert image.shape == (1, 1, 1, 1)
    assert layout.size == (1, 1)
    # As of resizing before cutting: a triangle over twice the square, 1 - distance / 4.
    near, far, beyond = 0.875, 0.625, 0.375 + 0.125
    expected = (200 * near + 100 * near + 100 * far + 2 * 255 * beyond) / 4
    assert image.item() == pytest.approx(expected, abs=1)


def test_images_of_many_sizes_and_modes_become_alike() -> None:
    images = [Image.new("RGB", (9, 5)), Image.new("L", (4, 4), 77), Image.new("P", (30, 60))]
    for mode, channels in (("L", 1), ("RGB", 3)):
        options = ReadOptions(size=6, mode=mode)
        decoded = decode(images.__getitem__, 3, PLACE, None, options).inputs
        assert decoded.shape == (3, channels, 6, 6)
        assert torch.equal(decoded[1], torch.full((channels, 6, 6), 77, dtype=torch.uint8))


def test_mixed_sizes_are_refused_with_the_option_that_helps() -> None:
    images = [Image.new("RGB", (8, 8)), Image.new("L", (8, 9))]
    cases = ((ReadOptions(), "size"), (ReadOptions(mode="L"), "size"), (ReadOptions(4), "mode"))
    for options, rule in cases:
        sentence = rf"must all have one {rule}, .*; its name can set one: '\?size=64&mode=RGB'$"
        with pytest.raises(AdaptAugError, match=sentence):
            decode(images.__getitem__, 2, PLACE, None, options)


def test_mode_without_8_bit_pixels_is_refused_in_any_row() -> None:
    images = [Image.new("RGB", (8, 8)), Image.new("F", (8, 8))]
    with pytest.raises(AdaptAugError, match=r"one of the modes .* in row 1 of"):
        decode(images.__getitem__, 2, PLACE, None, ReadOptions(mode="RGB"))


def test_digits_can_be_resized_and_made_rgb() -> None:
    small, large = load("digits"), load("digits?size=32&mode=RGB")
    assert large.name == "digits?size=32&mode=RGB"
    assert large.size == (32, 32)
    assert large.channels == 3
    assert torch.equal(large.train.targets, small.train.targets)
    back = torch.nn.functional.avg_pool2d(large.test.inputs[:50].float(), 4)
    pair = torch.stack([back[:, 0].flatten(), small.test.inputs[:50].float().flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.95


def test_folder_of_images_of_many_sizes_is_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for number, mode in enumerate(("L", "RGB", "P", "RGBA", "LA", "1", "I;16")):
                file = io.BytesIO()
                Image.new(mode, (8 + number, 12)).save(file, "PNG")
                (folder / f"{number}.png").write_bytes(file.getvalue())
    with pytest.raises(AdaptAugError, match="its name can set one"):
        load(str(tmp_path))
    source = load(f"{tmp_path}?size=10&mode=RGB")
    assert source.train.inputs.shape == (14, 3, 10, 10)
    assert source.name == f"{tmp_path}?size=10&mode=RGB"


def test_folder_of_sentences_with_a_smaller_vocabulary_is_read(tmp_path: Path) -> None:
    rows = [{"text": text, "label": i % 2} for i, text in enumerate(["a a b", "a b c"])]
    for split in ("train", "test"):
        lines = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    vocabulary = load(f"{tmp_path}?words=2").vocabulary
    assert vocabulary is not None
    assert vocabulary.words == (*SPECIALS, "a", "b")
