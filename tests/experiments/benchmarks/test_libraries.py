from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from adaptaug.data.batches import to_float
from experiments.benchmarks.libraries import LIBRARIES, NINE_OPS, randaugment


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The other libraries draw from the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def images() -> Tensor:
    """Sixty-four times the same smooth image, uint8 (64, 3, 32, 32)."""
    y, x = torch.meshgrid(*2 * [torch.linspace(0, 1, 32)], indexing="ij")
    image = torch.stack([0.3 + 0.4 * x * y, 0.3 + 0.3 * x, 0.6 - 0.4 * y])
    return (image * 255).to(torch.uint8).repeat(64, 1, 1, 1)


def augmented(library: str, images: Tensor, magnitudes: dict[str, float]) -> Tensor:
    """The images as the library augments them; the test is skipped where it is absent."""
    if library in {"kornia", "albumentations"}:
        pytest.importorskip(library)
    return LIBRARIES[library](images, dict.fromkeys(NINE_OPS, 0.0) | magnitudes)()


def change(library: str, images: Tensor, magnitudes: dict[str, float]) -> float:
    """Mean absolute difference that the library makes."""
    result = augmented(library, images, magnitudes)
    return float((result - to_float(images)).abs().mean())


each_library = pytest.mark.parametrize("library", LIBRARIES)


@each_library
def test_result_is_a_float_batch_with_a_draw_for_every_sample(library: str, images: Tensor) -> None:
    result = augmented(library, images, dict.fromkeys(NINE_OPS, 0.5))
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    assert result.is_contiguous()
    assert len(result.unique(dim=0)) == len(images)
    assert 0.2 < float(result.mean()) < 0.6  # of 0.41, less what is erased and moved out


@each_library
def test_magnitude_zero_changes_next_to_nothing(library: str, images: Tensor) -> None:
    assert change(library, images, {}) < 1e-3  # kornia erases a pixel


@each_library
@pytest.mark.parametrize("op", NINE_OPS)
def test_every_op_does_at_least_as_much_as_ours(library: str, op: str, images: Tensor) -> None:
    ours = change("adaptaug", images, {op: 1.0})
    assert ours > 0.01
    assert change(library, images, {op: 1.0}) > 0.6 * ours


def test_randaugment_returns_the_same_kind_of_batch(images: Tensor) -> None:
    result = randaugment(images)()
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    assert len(result.unique(dim=0)) > 32  # some draws are the identity
    assert float(result.max()) <= 1
