"""Held-out data as people have them: loaders, data sets of dicts, arrays, ignored labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from adaptaug import AdaptAugError, Augmenter
from adaptaug.augmenter.held_out import own_examples
from adaptaug.data.examples import Split

Make = Callable[..., Augmenter]


class Dicts(Dataset[Any]):
    """Rows that are dicts, as those of `datasets.Dataset`."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


@pytest.fixture
def pair(digits: Split) -> tuple[Tensor, Tensor]:
    return digits.validation.inputs[:30], digits.validation.targets[:30]


def dicts(images: Any, labels: Any, image: str, label: str) -> Dicts:
    return Dicts([{image: one, label: name} for one, name in zip(images, labels, strict=True)])


FORMS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "arrays": lambda x, y: (x.numpy(), y.numpy()),
    "loader": lambda x, y: DataLoader(TensorDataset(x, y), batch_size=7),
    "loader of floats": lambda x, y: DataLoader(TensorDataset(x / 255, y), batch_size=7),
    "loader of dicts": lambda x, y: DataLoader(dicts(x, y, "pixel_values", "labels"), batch_size=7),
    "tensors in dicts": lambda x, y: dicts(x, y.tolist(), "img", "fine_label"),
    "arrays in dicts": lambda x, y: dicts(
        x.permute(0, 2, 3, 1).numpy(), y.numpy(), "image", "label"
    ),
    "grey arrays in dicts": lambda x, y: dicts(x[:, 0].numpy(), y, "image", "label"),
    "pictures in dicts": lambda x, y: dicts(
        [Image.fromarray(i.numpy()) for i in x[:, 0]], y.tolist(), "image", "label"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_examples(form: str, pair: tuple[Tensor, Tensor]) -> None:
    state = torch.get_rng_state()
    got = own_examples(FORMS[form](*pair), "held_out", None)
    assert torch.equal(got.inputs, pair[0])
    assert torch.equal(got.targets, pair[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_shuffling_loader_leaves_the_random_state_as_it_was(pair: tuple[Tensor, Tensor]) -> None:
    state = torch.get_rng_state()
    loader = DataLoader(TensorDataset(*pair), batch_size=7, shuffle=True)
    got = own_examples(loader, "held_out", None)
    assert sorted(got.targets.tolist()) == sorted(pair[1].tolist())
    assert torch.equal(torch.get_rng_state(), state)


def test_datasets_of_hugging_face_are_taken(pair: tuple[Tensor, Tensor]) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = [Image.fromarray(image.numpy()) for image in pair[0][:, 0]]
    columns = {"image": pictures, "label": pair[1].tolist()}
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(num_classes=10)}
    )
    rows = datasets.Dataset.from_dict(columns, features=features)
    for data in (rows, rows.with_format("torch"), rows.with_format("numpy")):
        got = own_examples(data, "held_out", None)
        assert torch.equal(got.inputs, pair[0])
        assert torch.equal(got.targets, pair[1])


def test_ignored_labels_are_left_out(pair: tuple[Tensor, Tensor]) -> None:
    images, labels = pair[0], pair[1].clone()
    labels[[0, 5]] = -100
    got = own_examples((images, labels), "held_out", None)
    assert torch.equal(got.targets, labels[labels >= 0])
    assert torch.equal(got.inputs, images[labels >= 0])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DataLoader(TensorDataset(torch.rand(4, 1, 8, 8)), 2), "must be two tensors, got Tensor"),
        (DataLoader(TensorDataset(torch.rand(0, 1, 8, 8), torch.rand(0)), 2), "got 0 in held_out"),
        (DataLoader([(torch.rand(1, s, s), 0) for s in (4, 5)]), "must have one shape, got"),
        (Dicts([{"photo": 1, "label": 0}]), "one of the columns .*image.*, got photo, label"),
        (Dicts([{"image": 1, "class": 0}]), "one of the columns .*label.*, got image, class"),
        ((torch.rand(2, 1, 8, 8), torch.full((2,), -100)), "must have a label, got -100 for all"),
        ((torch.rand(2, 1, 8, 8).to_sparse(), torch.zeros(2)), "inputs must be a dense tensor"),
        ((torch.rand(2, 1, 8, 8), np.array([None, 1])), "targets must be a dense tensor"),
        ((torch.rand(2, 1, 8, 8, device="meta"), torch.zeros(2)), "inputs must have values, got"),
        (Dicts([]), "at least one row, got 0 in held_out"),
        ([1, 2], "held_out must be .*, got list"),
        ({"image": 1}, "held_out must be .*, got dict"),
        (np.zeros(3), "held_out must be .*, got ndarray"),
    ],
)
def test_what_is_no_held_out_data_is_refused(data: Any, message: str) -> None:
    with pytest.raises(AdaptAugError, match=message):
        own_examples(data, "held_out", None)
