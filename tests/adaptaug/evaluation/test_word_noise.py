"""Word noise: shares by severity, padding and order kept, draws that repeat."""

import pytest
import torch
from torch import Generator, Tensor

from adaptaug.data.vocabulary import MASK, PAD, UNKNOWN
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.word_noise import SHARES, cells, disturb, disturbed

VOCABULARY = 10_000


def draws() -> Generator:
    return Generator().manual_seed(3)


def sentences(count: int = 200, length: int = 40) -> Tensor:
    """Sentences of `length` words or half as many, in turn."""
    ids = torch.randint(3, VOCABULARY, (count, length), generator=Generator().manual_seed(1))
    ids[::2, length // 2 :] = PAD
    return ids


@pytest.mark.parametrize(
    ("name", "fixed"), [("replace", None), ("mask", MASK), ("unknown", UNKNOWN)]
)
def test_words_change_with_the_probability_of_the_severity(name: str, fixed: int | None) -> None:
    ids = sentences()
    words = ids != PAD
    for severity, share in enumerate(SHARES, 1):
        result = disturb(ids, name, severity, VOCABULARY, draws())
        changed = result != ids
        assert float(changed[words].float().mean()) == pytest.approx(share, abs=0.02)
        assert torch.equal(result[~words], ids[~words])
        if fixed is not None:
            assert bool((result[changed] == fixed).all())
        assert int(result[words].min()) >= (3 if fixed is None else 1)
        assert int(result.max()) < VOCABULARY


def test_dropped_words_leave_the_others_in_order() -> None:
    ids = torch.arange(3, 43).repeat(300, 1)
    result = disturb(ids, "drop", 3, VOCABULARY, draws())
    kept = (result != PAD).sum(1)
    assert float(kept.float().mean() / 40) == pytest.approx(0.7, abs=0.02)
    for row, count in zip(result, kept.tolist(), strict=True):
        assert bool((row[1:count] > row[: count - 1]).all())
        assert bool((row[count:] == PAD).all())


def test_sentence_of_one_word_keeps_it() -> None:
    result = disturb(torch.full((100, 1), 7), "drop", 5, VOCABULARY, draws())
    assert bool((result == 7).all())


def test_noise_depends_on_the_modality_and_repeats_by_seed() -> None:
    ids = sentences(20)
    before, state = ids.clone(), torch.get_rng_state()
    for modality, kinds in (
        ("text", {"replace", "drop", "mask"}),
        ("tagging", {"mask", "unknown"}),
    ):
        first, again, other = (
            dict(disturbed(ids, modality, VOCABULARY, seed)) for seed in (0, 0, 1)
        )
        assert list(first) == list(cells(modality))
        assert {cell.split("/")[0] for cell in first} == kinds
        assert len(first) == 5 * len(kinds)
        assert all(torch.equal(first[cell], again[cell]) for cell in first)
        assert not any(torch.equal(first[cell], other[cell]) for cell in first)
    assert torch.equal(ids, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "severity", "size", "message"),
    [
        ("shout", 1, 9, "word noise must be one of .*, got 'shout'"),
        ("drop", 0, 9, r"severity must lie in 1\.\.5, got 0 for 'drop'"),
        ("drop", 1, 3, "more than 3 ids, got 3"),
    ],
)
def test_examples_that_cannot_be_disturbed_are_refused(
    name: str, severity: int, size: int, message: str
) -> None:
    with pytest.raises(AdaptAugError, match=message):
        disturb(torch.ones(1, 2, dtype=torch.int64), name, severity, size, draws())
