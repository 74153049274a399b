"""Made-up tasks on sentences: rules by hand, labels by the rule, and ops held to the truth."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from adaptaug.data import Source
from adaptaug.data.toy.sentence_families import FAMILIES
from adaptaug.data.toy.sentence_recipe import SentenceRecipe
from adaptaug.data.toy.sentences import SentenceTask, lexicon, sentences, truth
from adaptaug.ops import OpSpace, build_tables, ops_for

NAMES = list(FAMILIES)
RULED = [name for name in NAMES if name != "noise"]


def task(family: str, seed: int = 3, **changes: object) -> SentenceTask:
    drawn = SentenceTask.of_seed(seed)
    return replace(drawn, recipe=replace(drawn.recipe, family=family, **changes))


def recipe(classes: int = 3, **changes: object) -> SentenceRecipe:
    return replace(SentenceTask.of_seed(0).recipe, classes=classes, **changes)


def read(made: SentenceTask, source: Source, ids: torch.Tensor) -> list[int | None]:
    """What the rule says of each row of ids."""
    assert source.vocabulary is not None
    known = source.vocabulary.words
    return [made.label([known[word] for word in row if word]) for row in ids.tolist()]


@pytest.mark.parametrize(
    ("family", "said", "label"),
    [
        ("topic", [4, 1, -1, 0], 1),  # topics 1 and 4 are of class 1
        ("topic", [1, 2, -1], None),
        ("keyword", [-1, 2], 2),
        ("order", [0, -1, 2, 1], 1),  # the orders are 012, 021, 102 and so on
        ("order", [1, 0, 1, 2], 2),
        ("order", [0, 1], None),
        ("order", [1, 2, 0], None),  # the fourth order, of three classes
        ("opening", [-1, 2, 1, 1], 2),
        ("opening", [-1], None),
        ("negation", [-1, 3, 1], 2),
        ("negation", [3, -1, 1], 1),
        ("negation", [3, 2, -1, 0], 0),
        ("negation", [3, 2, 2], None),
        ("parity", [3, -1, 1], 2),
        ("parity", [3, 2, 3, -1], 1),
        ("parity", [1, 2], None),
        ("count", [0, 1, -1, 0], 1),
        ("count", [0] * 9, 2),
        ("count", [1, 1], None),
        ("pair", [4, -1, 1], 2),
        ("pair", [4, 4, 2], 0),
        ("pair", [1, 2, 4], None),
        ("pair", [1, 2], None),
        ("length", [-1] * 8, 0),  # from 6 + 2 up, three lengths a class
        ("length", [-1] * 13, 1),
        ("length", [-1] * 7, None),
        ("length", [-1] * 17, None),
        ("noise", [0], None),
    ],
)
def test_rule_matches_hand_computation(family: str, said: list[int], label: int | None) -> None:
    assert FAMILIES[family].rule(said, recipe(modes=2, fewest=2, spread=6)) == label


@pytest.mark.parametrize("family", RULED)
@pytest.mark.parametrize("classes", [2, 6])
def test_rule_reads_what_is_written(family: str, classes: int) -> None:
    made = task(family, classes=classes, wrong=0.0, silent=0.0, typos=0.1)
    source = made.source(pool=300, test=1)
    assert read(made, source, source.train.inputs) == source.train.targets.tolist()
    assert len(source.train.targets.unique()) == classes


@pytest.mark.parametrize("family", ["keyword", "order", "count"])
def test_pool_alone_has_wrong_labels_and_silent_sentences(family: str) -> None:
    made = task(family, classes=3, words=4, wrong=0.2, silent=0.1, typos=0.0)
    source = made.source(pool=2000, test=300)
    said = read(made, source, source.train.inputs)
    silent = said.count(None) / 2000
    pairs = zip(said, source.train.targets.tolist(), strict=True)
    wrong = sum(label not in (None, given) for label, given in pairs) / 2000
    assert silent == pytest.approx(0.1, abs=0.02)
    assert wrong == pytest.approx(0.2 * 0.9, abs=0.025)
    assert read(made, source, source.test.inputs) == source.test.targets.tolist()


def global_states() -> list[object]:
    legacy = str(np.random.get_state())  # noqa: NPY002 - read only, to see that nothing touched it
    return [random.getstate(), legacy, torch.get_rng_state().tolist()]


def changed(made: SentenceTask) -> dict[str, float]:
    """Share of sentences whose label each op at magnitude 1 changes or hides."""
    source = made.source(pool=400, test=1)
    given, shares = source.train, {}
    assert source.vocabulary is not None
    tables = build_tables(source.vocabulary, made.lexicon(), given, source.classes, "text")
    before = read(made, source, given.inputs)
    for name in made.truth():
        space = OpSpace([name]).on(tables)
        ids, _ = space.apply(given.inputs, given.targets, [1.0], torch.Generator().manual_seed(0))
        pairs = zip(before, read(made, source, ids), strict=True)
        known = [old != new for old, new in pairs if old is not None]
        shares[name] = sum(known) / len(known)
    return shares


@pytest.mark.parametrize(
    ("family", "kind"),
    [(name, kind) for name in RULED for kind in ("fillers", "within", "across")],
)
def test_ops_keep_and_break_labels_as_truth_says(family: str, kind: str) -> None:
    for seed in (1, 2):
        made = task(family, seed, synonyms=kind)
        shares, kept = changed(made), made.truth()
        wrong = {name for name in kept if not _agrees(kept[name], shares[name])}
        assert not wrong, (seed, shares)


def _agrees(keeps: bool, share: float) -> bool:
    return share < 1 / 12 if keeps else share > 1 / 7


def test_every_op_both_keeps_and_breaks_labels_of_some_task() -> None:
    found = Counter(item for seed in range(150) for item in truth(seed).items())
    assert set(found) == {
        (name, keeps)
        for name in ("synonym", "insertion", "swap", "deletion", "masking")
        for keeps in (False, True)
    }
    assert min(found.values()) >= 5
    assert {name for name, _ in found} < set(ops_for("text"))


def test_random_labels_have_no_truth() -> None:
    made = task("noise")
    assert made.truth() == {}
    assert len(made.source(pool=200, test=50).train.targets.unique()) == made.recipe.classes


def test_seed_fixes_the_task_and_no_global_state_is_touched() -> None:
    states = global_states()
    once, again, other = sentences(5), sentences(5), sentences(6)
    assert states == global_states()
    assert once.vocabulary == again.vocabulary != other.vocabulary
    assert torch.equal(once.train.inputs, again.train.inputs)
    assert torch.equal(once.train.targets, again.train.targets)
    assert (once.name, once.modality) == ("sentences?seed=5", "text")
    assert (len(once.train), len(once.test)) == (3000, 1000)
    assert lexicon(5) == lexicon(5) != lexicon(6)


def test_skew_makes_later_classes_rarer() -> None:
    made = task("keyword", classes=3, skew=2.0, wrong=0.0)
    shares = made.source(pool=50, test=3000).test.targets.bincount() / 3000
    expected = torch.tensor([1.0, 0.368, 0.135]) / 1.503
    torch.testing.assert_close(shares, expected, atol=0.03, rtol=0)


def test_seeds_draw_all_families_and_numbers_of_classes() -> None:
    recipes = [SentenceTask.of_seed(seed).recipe for seed in range(200)]
    assert {drawn.family for drawn in recipes} == set(NAMES)
    assert {drawn.classes for drawn in recipes} == {2, 3, 4, 5, 6}
    assert 40 < sum(drawn.wrong > 0 for drawn in recipes) < 120
