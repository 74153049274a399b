"""Nine ops in each library: they do comparable work and return the same kind of batch."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from adaptaug.data.batches import to_float
from experiments.benchmarks.libraries import LIBRARIES, NINE_OPS, randaugment


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Seeds the global generator, which the other libraries draw from."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def images() -> Tensor:
    """64 copies of a smooth image, uint8 (64, 3, 32, 32)."""
    y, x = torch.meshgrid(*2 * [torch.linspace(0, 1, 32)], indexing="ij")
    image = torch.stack([0.3 + 0.4 * x * y, 0.3 + 0.3 * x, 0.6 - 0.4 * y])
    return (image * 255).to(torch.uint8).repeat(64, 1, 1, 1)


def augmented(library: str, images: Tensor, magnitudes: dict[str, float]) -> Tensor:
    """The images after the library's ops; skips the test if the library is not installed."""
    if library in {"kornia", "albumentations"}:
        pytest.importorskip(library)
    return LIBRARIES[library](images, dict.fromkeys(NINE_OPS, 0.0) | magnitudes)()


def change(library: str, images: Tensor, magnitudes: dict[str, float]) -> float:
    """Mean absolute change of a pixel value by the library's ops."""
    result = augmented(library, images, magnitudes)
    return float((result - to_float(images)).abs().mean())


each_library = pytest.mark.parametrize("library", LIBRARIES)


@each_library
def test_result_is_a_float_batch_with_draws_per_image(library: str, images: Tensor) -> None:
    result = augmented(library, images, dict.fromkeys(NINE_OPS, 0.5))
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    assert result.is_contiguous()
    assert len(result.unique(dim=0)) == len(images)
    assert 0.2 < float(result.mean()) < 0.6  # 0.41 before erasing and shifting


@each_library
def test_magnitude_zero_leaves_images_almost_unchanged(library: str, images: Tensor) -> None:
    assert change(library, images, {}) < 1e-3  # kornia erases one pixel


@each_library
@pytest.mark.parametrize("op", NINE_OPS)
def test_no_op_changes_images_much_less_than_adaptaugs(
    library: str, op: str, images: Tensor
) -> None:
    ours = change("adaptaug", images, {op: 1.0})
    assert ours > 0.01
    assert change(library, images, {op: 1.0}) > 0.6 * ours


def test_randaugment_returns_a_float_batch_with_draws_per_image(images: Tensor) -> None:
    result = randaugment(images)()
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    assert len(result.unique(dim=0)) > 32  # some draws are the identity
    assert float(result.max()) <= 1
