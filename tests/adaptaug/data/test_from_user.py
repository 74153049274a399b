"""A user's own tensors and Datasets."""

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from torch import Tensor
from torch.utils.data import Dataset, Subset, TensorDataset

from adaptaug.data import Source, from_dataset, from_tensors
from adaptaug.data.from_user import to_examples
from adaptaug.errors import AdaptAugError


class Rows(Dataset[Any]):
    """A list as a map-style Dataset."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Any:
        return self.rows[row]


IMAGES = torch.arange(4 * 3 * 2 * 2, dtype=torch.uint8).reshape(4, 3, 2, 2)
LABELS = torch.tensor([0, 1, 2, 0])


def source_of(inputs: Tensor = IMAGES, targets: Tensor = LABELS) -> Source:
    return from_tensors(inputs, targets, IMAGES, LABELS)


def test_uint8_images_are_kept() -> None:
    source = source_of()
    assert torch.equal(source.train.inputs, IMAGES)
    assert source.classes == ("0", "1", "2")
    assert (source.num_classes, source.channels, source.size) == (3, 3, (2, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_float_images_are_scaled_to_uint8(dtype: torch.dtype) -> None:
    every_byte = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    source = from_tensors((every_byte / 255).to(dtype), LABELS.int(), every_byte, LABELS)
    assert source.train.inputs.tolist() == every_byte.tolist()
    assert source.train.targets.dtype == torch.int64


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (float("nan"), "pixels must be finite, got nan in row 2"),
        (float("inf"), "pixels must be finite, got inf in row 2"),
        (255.0, "floating-point pixels must lie in [0, 1], got 255 in row 2"),
        (-0.5, "floating-point pixels must lie in [0, 1], got -0.5 in row 2"),
    ],
)
def test_pixel_out_of_range_is_named_with_its_row(value: float, sentence: str) -> None:
    images = IMAGES / 255
    images[2, 1, 0, 1] = value
    sentence = f"{sentence} of split 'train' of data set 'tensors'"
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        source_of(images)


@pytest.mark.parametrize(
    ("inputs", "targets", "sentence"),
    [
        (IMAGES.int(), LABELS, "pixels must be uint8 or floating point in [0, 1], got torch.int32"),
        (IMAGES[0], LABELS, "images must have shape (N, C, H, W), got (3, 2, 2)"),
        (IMAGES[:, :2], LABELS, "images must have one shape (channels, height, width)"),
        (IMAGES, LABELS[:3], "labels must have shape (4,), one for each image, got (3,)"),
        (IMAGES, LABELS.float(), "labels must be integers, got torch.float32 in split 'train'"),
        (IMAGES, LABELS - 1, "labels must lie in 0..1, got -1 in row 0 of split 'train'"),
        (IMAGES, LABELS.clamp(max=1), "labels must lie in 0..1, got 2 in row 2 of split 'test'"),
        (IMAGES, LABELS * 0, "a data set needs at least 2 classes, got 1"),
        (IMAGES[:0], LABELS[:0], "a split needs at least one row, got 0 in split 'train'"),
    ],
)
def test_tensors_of_wrong_shape_or_type_are_refused(
    inputs: Tensor, targets: Tensor, sentence: str
) -> None:
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}"):
        source_of(inputs, targets)


def test_images_need_1_or_3_channels() -> None:
    four = torch.zeros(4, 4, 2, 2, dtype=torch.uint8)
    with pytest.raises(AdaptAugError, match="images must have 1 or 3 channels, got 4 in data set"):
        from_tensors(four, LABELS, four, LABELS)


def test_dataset_of_tensors_is_read() -> None:
    rows = TensorDataset(IMAGES / 255, LABELS)
    source = from_dataset(rows, rows, name="mine", classes=["a", "b", "c"])
    assert source.train.inputs.tolist() == IMAGES.tolist()
    assert source.test.targets.tolist() == LABELS.tolist()
    assert (source.name, source.classes) == ("mine", ("a", "b", "c"))


def test_dataset_of_pil_images_with_class_names_is_read() -> None:
    rows = Rows([(Image.new("L", (3, 2), 7), 0), (Image.new("L", (3, 2), 9), 1)])
    rows.classes = ["cat", "dog"]  # type: ignore[attr-defined]  # torchvision's convention
    source = from_dataset(rows, rows)
    assert source.train.inputs.shape == (2, 1, 2, 3)
    assert source.train.inputs[:, 0, 0, 0].tolist() == [7, 9]
    assert source.classes == ("cat", "dog")


GREY = Image.new("L", (2, 2))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([(GREY, 0), (Image.new("RGB", (2, 2)), 1)], "one mode, got L in row 0 and RGB in row 1"),
        ([(GREY, 0), (Image.new("L", (2, 3)), 1)], "one size, got 2x2 in row 0 and 2x3 in row 1"),
        ([(IMAGES[0], 0), (IMAGES[1, :1], 1)], "one size and type, got torch.uint8 (3, 2, 2) in"),
        ([(IMAGES[0], 0), (IMAGES[1] / 255, 1)], "and torch.float32 (3, 2, 2) in row 1"),
        ([(IMAGES[0], 0), (GREY, 1)], "one size and type, got torch.uint8 (3, 2, 2) in row 0 and"),
        ([(IMAGES[0].numpy(), 0)], "must be tensors or PIL images, got ndarray in row 0"),
        (
            [(GREY, 0), (GREY, 1.5)],
            "rows must be (image, integer label), got another kind in row 1",
        ),
        ([(GREY, 0), GREY], "rows must be (image, integer label), got another kind in row 1"),
        ([], "a split needs at least one row, got 0 in split 'train' of data set 'dataset'"),
    ],
)
def test_dataset_with_a_wrong_row_is_refused(rows: list[Any], sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        from_dataset(Rows(rows), Rows(rows))


class Folder(Rows):
    """A Dataset with torchvision's attributes, whose file of row 1 is damaged."""

    def __init__(self, classes: Sequence[str], damaged: bool = False) -> None:
        grey = [Image.new("L", (2, 2), 50 * number) for number in range(len(classes))]
        super().__init__([(image, label) for label, image in enumerate(grey)])
        self.classes = classes
        self.samples = [(f"d/{label}.png", row) for row, label in enumerate(classes)]
        self.damaged = damaged

    def __getitem__(self, row: int) -> Any:
        if self.damaged and row == 1:
            raise OSError("image file is truncated")
        return super().__getitem__(row)


@pytest.mark.parametrize("named", [None, ["x", "y", "z"]])
@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (
            ["cat", "dog", "zebra"],
            "'bird' only in 'train', 'zebra' only in 'test' of data set 'dataset'",
        ),
        (["bird", "cat"], "'dog' only in 'train' of data set 'dataset'"),
        (("cat", "bird", "dog"), "another order in 'test' of data set 'dataset'"),
    ],
)
def test_datasets_whose_classes_differ_are_refused(
    test: Sequence[str], sentence: str, named: list[str] | None
) -> None:
    train = Folder(["bird", "cat", "dog"])
    for other in (Folder(test), Subset(Subset(Folder(test), [0, 1]), [1, 0])):
        sentence_in_full = f"the same classes in the same order, got {sentence}"
        with pytest.raises(AdaptAugError, match=f"{re.escape(sentence_in_full)}$"):
            from_dataset(train, other, classes=named)


def test_subset_has_the_classes_of_its_dataset() -> None:
    whole = Folder(("bird", "cat", "dog"))
    source = from_dataset(Subset(whole, [0, 1, 2]), Subset(whole, [2]))
    assert source.classes == ("bird", "cat", "dog")
    without = from_dataset(whole, Rows([(Image.new("L", (2, 2)), 1)]))
    assert without.classes == ("bird", "cat", "dog")


def test_damaged_file_of_a_dataset_is_named() -> None:
    broken, whole = Folder(["a", "b"], damaged=True), Folder(["a", "b"])
    sentence = (
        "a Dataset must be able to read every row, got OSError in row 1, file 'd/b.png', of "
        "split 'train' of data set 'dataset' (image file is truncated)"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        from_dataset(broken, whole)
    with pytest.raises(AdaptAugError, match="got OSError in row 0 of held_out"):
        to_examples(Subset(broken, [1]), "held_out")


def test_photo_of_a_dataset_is_turned_as_exif_says() -> None:
    seen = np.zeros((6, 4), np.uint8)
    seen[0] = 200
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = 8
    Image.fromarray(np.rot90(seen, -1).copy()).save(file, "PNG", exif=exif)
    photos = Rows([(Image.open(io.BytesIO(file.getvalue())), label) for label in (0, 1)])
    source = from_dataset(photos, photos)
    assert source.train.inputs[1, 0].tolist() == seen.tolist()
    # Held-out photos are as the training sees them, which gets them from the same Dataset.
    assert to_examples(photos, "held_out").inputs.shape == (2, 1, 4, 6)


def test_test_images_that_are_training_images_are_told(caplog: pytest.LogCaptureFixture) -> None:
    images = torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2)
    labels = torch.tensor([0, 1, 0])
    from_tensors(images, labels, images + 1, labels, name="apart")
    assert not caplog.text
    from_tensors(images, labels, images[[2, 0]] / 255, labels[:2], name="mine")
    told = "data set 'mine': 2 of 2 test examples are training examples too, the first in row 0"
    assert told in caplog.text


def test_dataset_without_length_is_refused() -> None:
    with pytest.raises(AdaptAugError, match="a Dataset must have a length, got Dataset"):
        from_dataset(Dataset(), Dataset())


def test_arrays_are_read_like_tensors() -> None:
    images, labels = IMAGES.numpy(), LABELS.numpy()
    source = from_tensors(images, labels, images / np.float32(255), labels)
    assert torch.equal(source.train.inputs, IMAGES)
    assert torch.equal(source.test.inputs, IMAGES)
    assert torch.equal(to_examples((images, labels), "held_out").targets, LABELS)


@pytest.mark.parametrize("wrong", ["a", None, np.array(["a"])])
def test_what_is_no_tensor_is_refused(wrong: Any) -> None:
    rule = f"must be a tensor or a NumPy array of numbers, got {type(wrong).__name__} in"
    with pytest.raises(AdaptAugError, match=f"^inputs {rule} split 'train' of data set 'tensors'$"):
        from_tensors(wrong, LABELS, IMAGES, LABELS)
    with pytest.raises(AdaptAugError, match=f"^targets {rule} split 'test' of data set 'tensors'$"):
        from_tensors(IMAGES, LABELS, IMAGES, wrong)
    with pytest.raises(AdaptAugError, match=f"^inputs {rule} held_out$"):
        to_examples((wrong, wrong), "held_out")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (IMAGES, "Tensor"),
        (IMAGES.numpy(), "ndarray"),
        ([IMAGES, LABELS], "list"),
        ({"inputs": IMAGES}, "dict"),
        (None, "NoneType"),
        ("ab", "str"),
        ((IMAGES,), "a tuple of 1"),
    ],
)
def test_examples_of_another_type_are_refused(data: Any, kind: str) -> None:
    sentence = f"held_out must be (inputs, targets), Examples or a Dataset, got {kind}"
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        to_examples(data, "held_out")


def test_examples_from_a_dataset_are_read() -> None:
    class Pairs:
        """A class that is no Dataset but can be read like one."""

        def __len__(self) -> int:
            return len(LABELS)

        def __getitem__(self, row: int) -> tuple[Tensor, int]:
            return IMAGES[row], int(LABELS[row])

    for data in (TensorDataset(IMAGES, LABELS), Pairs()):
        assert torch.equal(to_examples(data, "held_out").inputs, IMAGES)  # type: ignore[arg-type]
    with pytest.raises(
        AdaptAugError, match=r"^a Dataset must have a length, got Dataset for held_out$"
    ):
        to_examples(Dataset(), "held_out")
