"""The audit of data made by hand, and its figure."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

import adaptaug
from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.audit import MAGNITUDES, Audit, audit
from adaptaug.evaluation.audit_figure import audit_figure
from adaptaug.ops import IMAGE_OPS, OpSpace, TokenTables


def halves(count: int = 80) -> tuple[Tensor, Tensor]:
    """Faint noise with one bright half, the left or the right one: mirroring swaps the labels."""
    images = 0.3 * torch.rand(count, 1, 8, 8, generator=Generator().manual_seed(0))
    labels = torch.arange(count) % 2
    images[labels == 0, :, :, :4] += 0.6
    images[labels == 1, :, :, 4:] += 0.6
    return images, labels


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit(*halves())


def test_one_row_for_each_op_that_applies_and_each_magnitude(found: Audit) -> None:
    expected = [(op.name, m) for op in IMAGE_OPS if op.grayscale for m in MAGNITUDES]
    assert [(row.op, row.magnitude) for row in found.rows] == expected


def test_verdicts(found: Audit) -> None:
    verdicts = {(row.op, row.magnitude): row.verdict for row in found.rows}
    assert {verdicts["hflip", magnitude] for magnitude in MAGNITUDES} == {"breaks"}
    assert {verdicts["vflip", magnitude] for magnitude in MAGNITUDES} == {"keeps"}
    assert verdicts["posterize", 0.25] == "keeps"
    assert found.worst in {"hflip", "solarize"}
    assert found.clean > 0.95
    assert not found.unsure


def test_random_labels_leave_doubts() -> None:
    images, labels = halves()
    mixed = labels[torch.randperm(80, generator=Generator().manual_seed(1))]
    found = audit(images, mixed, op_space=OpSpace(["hflip", "posterize"]))
    assert found.unsure
    assert "keeps" not in {row.verdict for row in found.rows}


def test_arrays_and_the_exported_name() -> None:
    images, labels = ((255 * halves()[0]).byte().numpy(), halves()[1].numpy())
    found = adaptaug.audit(images, labels, op_space=OpSpace(["hflip"]), magnitudes=[0.5])
    assert isinstance(images, np.ndarray)
    assert [(row.op, row.magnitude, row.verdict) for row in found.rows] == [
        ("hflip", 0.5, "breaks")
    ]


def test_sentences() -> None:
    ids = torch.randint(10, 40, (60, 8), generator=Generator().manual_seed(0))
    ids[:, 3] = 5 + torch.arange(60) % 2
    op_space = OpSpace(["swap", "synonym"]).on(TokenTables(40, None, None, None))
    found = audit(ids, torch.arange(60) % 2, op_space=op_space)
    assert {row.op for row in found.rows} == {"swap"}  # there are no synonyms


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"magnitudes": []}, "an audit needs a magnitude and an op that suits image data"),
        ({"op_space": OpSpace(["swap"])}, "suits image data, got magnitudes .* and ops swap"),
        ({"num_classes": 1}, r"labels must lie in 0\.\.0, got 1"),
        ({"magnitudes": [2.0]}, "magnitude must lie in"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        audit(*halves(), **arguments)  # type: ignore[arg-type]


def test_bad_data() -> None:
    images, labels = halves()
    with pytest.raises(AdaptAugError, match=r"one for each image, got .* in the data to audit"):
        audit(images, labels[1:])
    with pytest.raises(AdaptAugError, match="at least one example is needed"):
        audit(images[:0], labels[:0])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_figure(channels: int) -> None:
    images, labels = halves()
    examples = Examples((255 * images).byte().repeat(1, channels, 1, 1), labels)
    content = audit_figure(OpSpace(["blur", "hflip"]), "hflip", examples, (0.5, 1), ("a", "b"))
    picture = Image.open(io.BytesIO(content)).convert("L")
    assert picture.format is None  # converted, so it was read
    assert picture.width > picture.height > 300
    again = audit_figure(OpSpace(["blur", "hflip"]), "hflip", examples, (0.5, 1), ("a", "b"))
    assert content == again


def test_the_figure_needs_images() -> None:
    sentences = Examples(torch.ones(2, 3, dtype=torch.int64), torch.tensor([0, 1]))
    with pytest.raises(AdaptAugError, match="a figure needs images, got text data"):
        audit_figure(OpSpace(["swap"]), "swap", sentences, (1.0,), ("a", "b"))
