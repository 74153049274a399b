"""Folders by name: which images and rows are training and which are test, and damaged files."""

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, List, Value
from PIL import ExifTags, Image

from adaptaug.data import Source, load, loading
from adaptaug.errors import AdaptAugError
from tests.adaptaug.data.written import NER, picture, write, write_columns


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every test starts with no data set loaded."""
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def noise(seed: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8))


def folders(root: Path, classes: Sequence[str], **splits: int) -> Path:
    """Class folders of PNG files, all different: so many for each class of a split."""
    for number, (split, count) in enumerate(splits.items()):
        for label in classes:
            (root / split / label).mkdir(parents=True)
            for row in range(count):
                image = noise(1000 * number + 100 * classes.index(label) + row)
                image.save(root / split / label / f"{row}.png")
    return root


def images_of(source: Source) -> tuple[set[bytes], set[bytes]]:
    parts = [{row.numpy().tobytes() for row in part.inputs} for part in (source.train, source.test)]
    return parts[0], parts[1]


@pytest.mark.parametrize("classes", [("bus", "car", "train"), ("bullet_train", "test-tube", "val")])
@pytest.mark.parametrize("place", ["d", "train [2024] *", "test"])
def test_classes_that_are_called_like_splits_keep_their_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, classes: tuple[str, ...], place: str
) -> None:
    source = load(str(folders(tmp_path / place, classes, train=4, test=2)))
    assert source.classes == classes
    assert source.train.targets.bincount().tolist() == [4, 4, 4]
    assert source.test.targets.bincount().tolist() == [2, 2, 2]
    assert not set.intersection(*images_of(source))
    assert not caplog.text
    first = np.asarray(Image.open(tmp_path / place / "test" / classes[1] / "0.png"))
    assert source.test.inputs[2].permute(1, 2, 0).tolist() == first.tolist()


@pytest.mark.parametrize("split", ["train", "."])
def test_a_fifth_of_a_single_split_is_always_the_same_test(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, split: str
) -> None:
    root = folders(tmp_path / "d", ("bus", "car", "train"), **{split: 10})
    source = load(str(root))
    assert source.train.targets.bincount().tolist() == [8, 8, 8]
    assert source.test.targets.bincount().tolist() == [2, 2, 2]
    train, test = images_of(source)
    assert len(train | test) == 30
    assert "has no split to test on: 6 of its 30 rows are held out for it" in caplog.text
    torch.randn(3)  # no global random state
    loading._loaded.clear()
    assert images_of(load(str(root))) == (train, test)


@pytest.mark.parametrize("modality", ["text", "tagging"])
def test_a_fifth_of_the_sentences_of_a_single_split_is_the_test(
    tmp_path: Path, modality: str
) -> None:
    if modality == "text":
        rows = {
            "text": [f"w{row}" for row in range(40)],
            "label": [row % 4 // 3 for row in range(40)],
        }
        kinds = {"text": Value("string"), "label": ClassLabel(names=["no", "yes"])}
    else:
        rows = {
            "tokens": [[f"w{row}"] for row in range(40)],
            "ner_tags": [[row % 4 // 3] for row in range(40)],
        }
        kinds = {"tokens": List(Value("string")), "ner_tags": List(NER)}
    source = load(write_columns(tmp_path, kinds, train=rows))
    assert (len(source.train), len(source.test)) == (32, 8)
    assert int(source.test.targets.sum()) == 2
    assert source.vocabulary is not None
    assert len(source.vocabulary.words) == 32 + 3  # no word of the test sentences


def test_single_split_with_too_few_rows_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "d", [picture(1), picture(2), picture(3)], [0, 1, 1])
    sentence = "a split 'test' or 'validation', or at least 2 rows of each class in 'train'"
    with pytest.raises(AdaptAugError, match=f"{sentence}, .* got 1 in data set '{tmp_path}/d'"):
        load(str(tmp_path / "d"))


def test_unlabelled_test_split_without_a_validation_split_is_passed_over(tmp_path: Path) -> None:
    kinds = {"text": Value("string"), "label": ClassLabel(names=["no", "yes"])}
    rows = {"text": [f"w{row}" for row in range(10)], "label": [0, 1] * 5}
    test = {"text": ["x", "y"], "label": [-1, -1]}
    source = load(write_columns(tmp_path, kinds, train=rows, test=test))
    assert (len(source.train), len(source.test)) == (8, 2)
    assert sorted(source.test.targets.tolist()) == [0, 1]


def test_missing_training_split_is_refused(tmp_path: Path) -> None:
    sentence = f"a data set needs a split 'train', got test in data set '{tmp_path}'"
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        load(str(folders(tmp_path, ("a", "b"), test=2)))


def test_class_folders_of_splits_that_differ_are_refused(tmp_path: Path) -> None:
    folders(tmp_path, ("bird", "cat"), train=2)
    folders(tmp_path, ("cat", "zebra"), test=2)
    sentence = "got 'bird' only in 'train', 'zebra' only in 'test' of data set"
    with pytest.raises(AdaptAugError, match=sentence):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        (["cat", "zebra"], "got 'bird' only in 'train', 'zebra' only in 'test' of data set"),
        (["cat", "bird"], "the same order, got another order in 'test' of data set"),
    ],
)
@pytest.mark.parametrize("modality", ["text", "tagging"])
def test_tables_whose_labels_mean_other_classes_are_refused(
    tmp_path: Path, modality: str, others: list[str], sentence: str
) -> None:
    for part, names in (("train", ["bird", "cat"]), ("test", others)):
        kind = ClassLabel(names=names)
        kinds = {"text": Value("string"), "label": kind}
        rows: dict[str, Any] = {"text": [f"{part} a", f"{part} b"], "label": [0, 1]}
        if modality == "tagging":
            kinds = {"tokens": List(Value("string")), "tags": List(kind)}
            rows = {"tokens": [["a"], ["b"]], "tags": [[0], [1]]}
        write_columns(tmp_path, kinds, **{part: rows})
    with pytest.raises(AdaptAugError, match=sentence):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (("train.parquet", "test_train.parquet"), "test_train.parquet"),
        (("bullet_train/train.parquet", "bullet_train/test.parquet"), "bullet_train/test.parquet"),
    ],
)
def test_table_in_two_splits_by_names_on_its_path_is_refused(
    tmp_path: Path, names: tuple[str, str], wrong: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        table = datasets.Dataset.from_dict({"text": [f"{name} a", "b"], "label": [0, 1]})
        table.to_parquet(str(tmp_path / name))
    sentence = f"names on a file's path must name one split, got '{tmp_path / wrong}' in '"
    with pytest.raises(
        AdaptAugError, match=f"^{re.escape(sentence)}(train|test)' and '(train|test)'"
    ):
        load(str(tmp_path))


def test_image_with_metadata_in_two_splits_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        folder = folders(tmp_path, ("train",), **{split: 2}) / split
        (folder / "metadata.csv").write_text("file_name,label\ntrain/0.png,0\ntrain/1.png,1\n")
    sentence = f"got '{tmp_path}/test/train/0.png' in 'train' and 'test' of data set '{tmp_path}'"
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        load(str(tmp_path))


def test_brackets_in_the_path_of_tables_are_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[2024] data*"
    write(folder, [picture(5), picture(6)], [0, 1])
    write(folder, [picture(7)], [1], part="test")
    assert load(str(folder)).train.inputs[:, 0, 0, 0].tolist() == [5, 6]


def test_test_images_that_are_training_images_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "d", [picture(value) for value in (1, 2, 3)], [0, 1, 0])
    write(tmp_path / "d", [picture(value) for value in (4, 3, 1, 3)], [0, 1, 0, 1], part="test")
    for _ in range(2):
        load(str(tmp_path / "d"))
    told = f"data set '{tmp_path}/d': 3 of 4 test examples are training examples too, the first in"
    assert caplog.text.count(told) == 1


def test_test_sentences_that_are_training_sentences_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = {"text": ["a b", "c d", "e"], "label": [0, 1, 0]}
    test = {"text": ["x", "c d", "unseen"], "label": [0, 1, 0]}
    load(write_columns(tmp_path, train=train, test=test))
    assert "1 of 3 test examples are training examples too, the first in row 1" in caplog.text


def turned(kind: str, value: int) -> bytes:
    """A photo of a white bar at the top that is stored on its side, with EXIF orientation 6."""
    seen = np.full((16, 16, 3), value, np.uint8)
    seen[:4] = 255
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.rot90(seen).copy()).save(file, kind, exif=exif, quality=100)
    return file.getvalue()


@pytest.mark.parametrize("stored", ["files", "parquet"])
def test_photos_are_turned_as_the_library_shows_them(tmp_path: Path, stored: str) -> None:
    for number, part in enumerate(("train", "test")):
        photos = [turned("JPEG", 60 * number + 20 * row) for row in range(2)]
        if stored == "parquet":
            write(tmp_path / "d", [{"bytes": photo} for photo in photos], [0, 1], part=part)
            continue
        for label, photo in zip("ab", photos, strict=True):
            (tmp_path / "d" / part / label).mkdir(parents=True)
            (tmp_path / "d" / part / label / "1.jpg").write_bytes(photo)
    shown = datasets.load_dataset(str(tmp_path / "d"))
    source = load(str(tmp_path / "d"))
    for part, examples in (("train", source.train), ("test", source.test)):
        expected = [np.asarray(image).tolist() for image in shown[part]["image"]]
        assert examples.inputs.permute(0, 2, 3, 1).tolist() == expected
    assert source.train.inputs[:, :, :4].float().mean() > 250


def test_damaged_file_is_named_and_left_out_if_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = folders(tmp_path / "d", ("a", "b"), train=3, test=2)
    damaged = root / "train" / "b" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:90])
    (root / "test" / "a" / "1.png").write_bytes(b"")
    with pytest.raises(
        AdaptAugError, match=f"row 4, file '{damaged}', of split 'train' of .* trunc"
    ):
        load(str(root))
    source = load(f"{root}?skip_broken=1")
    assert source.train.targets.tolist() == [0, 0, 0, 1, 1]
    assert source.test.targets.tolist() == [0, 1, 1]
    last = np.asarray(Image.open(root / "train" / "b" / "2.png"))
    assert source.train.inputs[4].permute(1, 2, 0).tolist() == last.tolist()
    assert (
        f"1 of 6 images cannot be read and are left out, the first in row 4, file '{damaged}'"
        in caplog.text
    )
    assert "split 'test' of data set" in caplog.text


def test_folder_that_must_not_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders(tmp_path, ("a", "b"), train=2)
    scan = os.scandir

    def refuse(path: str) -> Any:  # permissions do not bind a test that runs as root
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(AdaptAugError, match=f"Permission denied: '{tmp_path}/train/b'"):
        load(str(tmp_path))
