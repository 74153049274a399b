"""Data sets by name: digits, folders and hub ids, and errors for what cannot be loaded."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from datasets import ClassLabel, List, Value
from datasets import Image as ImageFeature
from datasets.exceptions import DatasetNotFoundError
from sklearn.datasets import load_digits

from adaptaug.data import from_tensors, hub, load, loading, preload
from adaptaug.errors import AdaptAugError
from tests.adaptaug.data.written import NER, picture, write, write_columns


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every test starts with no data set loaded."""
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_digits_have_their_shape_range_and_balanced_classes() -> None:
    source = load("digits")
    assert source.train.inputs.shape == (1200, 1, 8, 8)
    assert source.test.inputs.shape == (597, 1, 8, 8)
    assert source.train.inputs.dtype == torch.uint8
    assert int(source.train.inputs.max()) == 255
    assert source.classes == tuple("0123456789")
    counts = source.test.targets.bincount()
    assert int(counts.max() - counts.min()) <= 3


def test_digits_train_and_test_are_all_rows_once() -> None:
    source = load("digits")
    ours = torch.cat([source.train.inputs, source.test.inputs]).flatten(1).double() / 255 * 16
    assert sorted(ours.round().int().tolist()) == sorted(load_digits().data.astype(int).tolist())


def test_data_set_is_loaded_once_and_preload_adds_one() -> None:
    assert load("digits") is load("digits")
    images, labels = torch.zeros(2, 1, 4, 4), torch.tensor([0, 1])
    mine = from_tensors(images, labels, images, labels, name="mine")
    preload(mine)
    assert load("mine") is mine


def test_made_up_task_is_made_once_from_its_seed() -> None:
    source = load("shapes?seed=17")
    assert load("shapes?seed=17") is source
    assert source.name == "shapes?seed=17"
    assert source.modality == "image"
    same = load("shapes?seed=0017")
    assert same.name == "shapes?seed=0017"
    assert torch.equal(same.train.inputs, source.train.inputs)
    assert not torch.equal(load("shapes?seed=18").train.targets, source.train.targets)


@pytest.mark.parametrize("column", ["image", "img", "photo"])
@pytest.mark.parametrize("test", ["test", "validation"])
def test_folder_of_parquet_images_is_read(tmp_path: Path, column: str, test: str) -> None:
    write(tmp_path / "d", [picture(5), picture(6), picture(7)], [0, 1, 0], column=column)
    write(tmp_path / "d", [picture(8)], [1], column=column, part=test)
    source = load(str(tmp_path / "d"))
    assert source.name == str(tmp_path / "d")
    assert source.train.inputs[:, 0, 0, 0].tolist() == [5, 6, 7]
    assert source.train.inputs.shape == (3, 1, 2, 3)
    assert source.train.targets.tolist() == [0, 1, 0]
    assert source.test.targets.tolist() == [1]
    assert source.classes == ("cat", "dog")


def test_label_is_found_by_type_else_by_name(tmp_path: Path) -> None:
    write(tmp_path / "typed", [picture()] * 2, [0, 1], label="species")
    write(tmp_path / "typed", [picture()] * 2, [0, 1], label="species", part="test")
    assert load(str(tmp_path / "typed")).classes == ("cat", "dog")
    write(tmp_path / "plain", [picture()] * 3, [0, 1, 2], kind=Value("int32"))
    write(tmp_path / "plain", [picture()] * 3, [0, 1, 2], kind=Value("int32"), part="test")
    assert load(str(tmp_path / "plain")).classes == ("0", "1", "2")


def test_folder_of_image_files_is_read(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for label, value in (("cat", 10), ("dog", 20)):
            folder = tmp_path / "files" / part / label
            folder.mkdir(parents=True)
            picture(value).save(folder / "a.png")
    source = load(str(tmp_path / "files"))
    assert source.classes == ("cat", "dog")
    assert source.train.inputs[source.train.targets.argsort(), 0, 0, 0].tolist() == [10, 20]


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        ([picture(), picture(size=(4, 2))], [0, 1], "one size, got 3x2 in row 0 and 4x2 in row 1"),
        ([picture(), picture(mode="RGB")], [0, 1], "one mode, got L in row 0 and RGB in row 1"),
        ([picture(), None], [0, 1], "an image that can be read, got none in row 1"),
        ([picture()] * 2, [0, -1], "labels must lie in 0..1, got -1 in row 1"),
        ([picture()] * 2, [0, None], "every row needs a label, got none in row 1"),
    ],
)
def test_bad_row_is_refused_with_its_number_and_split(
    tmp_path: Path, images: list[Any], labels: list[Any], sentence: str
) -> None:
    write(tmp_path / "d", images, labels)
    write(tmp_path / "d", [picture()], [0], part="test")
    folder = tmp_path / "d"
    pattern = f"{re.escape(sentence)} (of )?split 'train' of data set '{re.escape(str(folder))}'"
    with pytest.raises(AdaptAugError, match=pattern):
        load(str(folder))


def test_missing_label_column_is_refused_with_the_columns(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path / "d", [picture()], ["cat"], kind=Value("string"), part=part)
    with pytest.raises(
        AdaptAugError, match=r"'label', got columns image \(Image\), label \(string\) in data set"
    ):
        load(str(tmp_path / "d"))


@pytest.mark.parametrize("column", ["sentence", "text", "review"])
def test_folder_of_texts_is_read(tmp_path: Path, column: str) -> None:
    rows = {column: ["A good one", "bad"], "label": [1, 0], "idx": [0, 1]}
    source = load(write_columns(tmp_path, train=rows, test=rows))
    assert (source.modality, source.classes) == ("text", ("0", "1"))
    assert source.vocabulary is not None
    assert set(source.vocabulary.words[3:]) == {"a", "good", "one", "bad"}
    assert source.train.targets.tolist() == [1, 0]


@pytest.mark.parametrize("typed", [True, False])
def test_folder_of_tagged_sentences_is_read(tmp_path: Path, typed: bool) -> None:
    tags: list[Any] = [[1, 2], [0]] if typed else [["B-X", "I-X"], ["O"]]
    rows = {"id": ["0", "1"], "tokens": [["Ada", "Li"], ["ran"]], "ner_tags": tags}
    kinds = {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(NER)}
    source = load(write_columns(tmp_path, kinds if typed else None, train=rows, test=rows))
    assert (source.modality, source.classes) == ("tagging", ("O", "B-X", "I-X"))
    assert source.train.targets.tolist() == [[1, 2], [0, -100]]


def test_ner_tags_are_preferred_to_other_tags(tmp_path: Path) -> None:
    rows = {"words": [["Ada"], ["ran"]], "pos_tags": [[0], [1]], "ner_tags": [[1], [0]]}
    pos = List(ClassLabel(names=["N", "V"]))
    kinds = {"words": List(Value("string")), "pos_tags": pos, "ner_tags": List(NER)}
    assert load(write_columns(tmp_path, kinds, train=rows, test=rows)).classes[1] == "B-X"


def test_image_column_is_preferred_to_text(tmp_path: Path) -> None:
    rows = {"text": ["a", "b"], "image": [picture(3)] * 2, "label": [0, 1]}
    kinds = {"text": Value("string"), "image": ImageFeature(), "label": Value("int64")}
    assert load(write_columns(tmp_path, kinds, train=rows, test=rows)).modality == "image"


@pytest.mark.parametrize(("labels", "expected"), [([-1, -1], 3), ([1, 0], 2)])
def test_test_split_without_labels_is_replaced_by_validation(
    tmp_path: Path, labels: list[int], expected: int
) -> None:
    kinds = {"sentence": Value("string"), "label": ClassLabel(names=["no", "yes"])}
    rows = {"sentence": ["a", "b", "c"], "label": [0, 1, 0]}
    test = {"sentence": ["d", "e"], "label": labels}
    source = load(write_columns(tmp_path, kinds, train=rows, validation=rows, test=test))
    assert len(source.test) == expected


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"text": ["a", " "], "label": [0, 1]}, "at least one token, got none in row 1 of split"),
        ({"text": ["a", None], "label": [0, 1]}, "as a string, got NoneType in row 1 of split"),
        ({"text": ["a", "b"], "label": [0, None]}, "every row needs a label, got none in row 1"),
        (
            {"text": ["a", "b"], "label": ["x", "y"]},
            "integer column 'label', got columns text (string), label (string)",
        ),
        ({"text": ["a", "b"], "label": [0.5, 1.0]}, "got columns text (string), label (float64)"),
        ({"text": ["a", "b"], "label": [0, 10**9]}, "got 1000000000 in row 1 of split 'train'"),
        (
            {"number": [1, 2], "label": [0, 1]},
            "(lists of ClassLabel), got columns number (int64), label (int64)",
        ),
        (
            {"tokens": [["a"]], "ner_tags": [[0]]},
            "ClassLabel), got columns tokens (list of string), ner_tags (list of int64) in",
        ),
        ({"tokens": [["a"]], "tags": [["B-X", "O"]]}, "got 2 tags for 1 tokens in row 0 of split"),
        ({"tokens": [["a", "b"]], "tags": [["O", "I-X"]]}, "looks like IOB1"),
    ],
)
def test_bad_sentence_is_refused_with_its_place(
    tmp_path: Path, rows: dict[str, Any], sentence: str
) -> None:
    name = write_columns(tmp_path, train=rows, test=rows)
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        load(name)


def test_bad_row_of_the_split_validation_is_named_so(tmp_path: Path) -> None:
    good, bad = {"text": ["a", "b"], "label": [0, 1]}, {"text": ["a", " "], "label": [0, 1]}
    with pytest.raises(AdaptAugError, match="got none in row 1 of split 'validation' of data set"):
        load(write_columns(tmp_path, train=good, validation=bad))


def test_error_of_the_file_reader_is_passed_on(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text("text,label\na,0\nb,c,1\n", encoding="utf-8")
    with pytest.raises(AdaptAugError, match="Expected 2 fields in line 3, saw 3"):
        load(str(tmp_path))


@pytest.mark.parametrize("name", ["/no/such/folder", "./no-such", "../no/such", "a/b/c"])
def test_missing_path_is_refused(name: str) -> None:
    sentence = f"a data set's path must be an existing folder, got '{name}'"
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        load(name)


@pytest.mark.parametrize("has_file", [False, True])
def test_folder_without_rows_is_refused(tmp_path: Path, has_file: bool) -> None:
    if has_file:
        write(tmp_path, [], [])
    sentence = f"folder '{tmp_path}' must hold a data set that datasets.load_dataset can read"
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ConnectionError("Couldn't reach 'no/such' on the Hub\n(LocalEntryNotFoundError)"),
            "data set 'no/such' is neither built in nor a folder here, and the Hugging Face Hub "
            "cannot be reached to look for it "
            "(ConnectionError: Couldn't reach 'no/such' on the Hub (LocalEntryNotFoundError))",
        ),
        (
            DatasetNotFoundError("Dataset 'no/such' doesn't exist"),
            "unknown data set 'no/such': it is neither built in, nor a folder here, nor public on "
            "the Hugging Face Hub (DatasetNotFoundError: Dataset 'no/such' doesn't exist)",
        ),
        (
            ValueError("Config name is missing."),
            "data set 'no/such' must be one that datasets.load_dataset can read "
            "(ValueError: Config name is missing.)",
        ),
    ],
)
def test_error_of_the_hub_becomes_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def refuse(name: str, data_files: None) -> None:
        raise error

    monkeypatch.setattr(hub, "load_dataset_builder", refuse)
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        load("no/such")


@pytest.mark.parametrize(
    ("name", "shape", "test_rows", "first_class"),
    [("mnist", (60000, 1, 28, 28), 10000, "0"), ("cifar10", (25000, 3, 32, 32), 1000, "airplane")],
)
def test_real_image_folders_are_read(
    shared_data: Callable[[str], Path],
    name: str,
    shape: tuple[int, ...],
    test_rows: int,
    first_class: str,
) -> None:
    source = load(str(shared_data(name)))
    assert source.train.inputs.shape == shape
    assert len(source.test) == test_rows
    assert (source.num_classes, source.classes[0]) == (10, first_class)


def test_real_images_of_mixed_modes_are_refused(shared_data: Callable[[str], Path]) -> None:
    with pytest.raises(AdaptAugError, match="one mode, got RGB in row 0 and L in row 84 of"):
        load(str(shared_data("imagenette")))


@pytest.mark.parametrize(
    ("name", "modality", "rows", "test_rows", "classes"),
    [
        ("sst2", "text", 67349, 872, ("negative", "positive")),
        pytest.param("imdb", "text", 25000, 5000, ("neg", "pos"), marks=pytest.mark.slow),
        ("conll2003", "tagging", 14041, 3453, ("O", "B-PER", "I-PER")),
    ],
)
def test_real_sentence_folders_are_read(
    shared_data: Callable[[str], Path],
    name: str,
    modality: str,
    rows: int,
    test_rows: int,
    classes: tuple[str, ...],
) -> None:
    source = load(str(shared_data(name)))
    assert (source.modality, len(source.train), len(source.test)) == (modality, rows, test_rows)
    assert source.classes[:3] == classes
    assert source.vocabulary is not None
    assert len(source.vocabulary) == 10_003
    assert source.train.inputs.shape[1] <= 256
    unknown = (source.test.inputs == 1).sum() / (source.test.inputs != 0).sum()
    assert unknown < 0.2
