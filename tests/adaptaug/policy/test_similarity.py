"""Similarity of images, sentences and tokens, by hand."""

import pytest
import torch
from torch import Tensor

from adaptaug.policy.similarity import Reference, windows


def images(count: int, channels: int = 1, side: int = 16) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 16), (1, 28), (3, 5), (3, 1)])
def test_an_image_is_most_similar_to_itself(channels: int, side: int) -> None:
    clean = images(20, channels, side)
    found = Reference(clean).compare(clean)
    for similarity in found:
        assert similarity.shape == (20, 20)
        assert similarity.abs().max() <= 1 + 1e-5
    assert torch.allclose(found.strict, found.among, atol=1e-5)
    assert torch.equal(found.among.argmax(1), torch.arange(20))


def test_a_small_shift_is_tolerated() -> None:
    clean = images(20)
    clean[:, :, :, -2:] = 0
    moved = clean.roll(2, 3)  # an eighth of the side
    found = Reference(clean).compare(moved)
    assert found.tolerant.diagonal() == pytest.approx(torch.ones(20), abs=1e-5)
    assert found.strict.diagonal().max() < 0.9
    assert (found.tolerant >= found.strict).all()


def test_brightness_and_contrast_make_no_difference() -> None:
    clean = images(20)
    found = Reference(clean).compare(0.2 + 0.5 * clean)
    assert found.strict.diagonal() == pytest.approx(torch.ones(20), abs=1e-5)


def test_colour_makes_a_difference() -> None:
    clean = images(20, 3)
    turned = clean.roll(1, 1)
    found = Reference(clean).compare(turned)
    assert found.strict.diagonal().mean() < 0.8


def test_equal_images_are_finite() -> None:
    found = Reference(torch.full((5, 3, 8, 8), 0.5)).compare(torch.zeros(5, 3, 8, 8))
    assert all(similarity.isfinite().all() for similarity in found)


SENTENCES = torch.tensor([[3, 4, 5, 0, 0], [6, 7, 8, 9, 0], [3, 7, 0, 0, 0], [3, 9, 6, 4, 0]])


def test_padding_makes_no_difference() -> None:
    wide = torch.nn.functional.pad(SENTENCES, (0, 4))
    found = Reference(SENTENCES).compare(wide)
    assert torch.equal(found.strict, Reference(SENTENCES).compare(SENTENCES).strict)
    assert found.strict.diagonal() == pytest.approx(torch.ones(4), abs=1e-5)


def test_words_and_their_order_count() -> None:
    swapped = torch.tensor([[5, 4, 3, 0, 0]])
    found = Reference(SENTENCES).compare(swapped).strict[0]
    assert found[1] == pytest.approx(0, abs=1e-5)  # no word in common
    assert found[3] < found[0] < 0.9  # all words in common, and no pair


def test_rare_words_count_for_more() -> None:
    """Word 3 is in three of four sentences, word 5 in one."""
    found = Reference(SENTENCES).compare(torch.tensor([[3, 5]])).strict[0]
    assert found[0] > 2 * found[2] > 0


def test_windows_hold_a_word_and_its_neighbours() -> None:
    ids = torch.tensor([[5, 6, 7, 8], [9, 4, 0, 0], [3, 0, 0, 0]])
    found = windows(ids, torch.tensor([2, 0, 0]))
    assert found.tolist() == [
        [3 * 6, 3 * 7 + 1, 3 * 8 + 2],
        [0, 3 * 9 + 1, 3 * 4 + 2],
        [0, 3 * 3 + 1, 0],
    ]
