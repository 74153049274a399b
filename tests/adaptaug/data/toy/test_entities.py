"""Made-up tagging tasks: rules by hand, tags by the rule, and ops held to the truth."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from adaptaug.data import Examples, Source
from adaptaug.data.toy.entities import EntityTask, entities, lexicon, truth
from adaptaug.data.toy.entity_families import FAMILIES, Mention
from adaptaug.data.vocabulary import IGNORED
from adaptaug.ops import OpSpace, build_tables, ops_for

NAMES = list(FAMILIES)


def task(family: str, seed: int = 3, **changes: object) -> EntityTask:
    drawn = EntityTask.of_seed(seed)
    return replace(drawn, recipe=replace(drawn.recipe, family=family, **changes))


def read(made: EntityTask, source: Source, ids: Tensor) -> Tensor:
    """The tags that the rule gives each row of ids."""
    assert source.vocabulary is not None
    known, result = source.vocabulary.words, torch.full_like(ids, IGNORED)
    for row, numbers in enumerate(ids.tolist()):
        tags = made.tags([known[word] for word in numbers if word])
        result[row, : len(tags)] = torch.tensor([source.classes.index(tag) for tag in tags])
    return result


@pytest.mark.parametrize(
    ("family", "said", "mentions"),
    [
        ("gazetteer", [1, 1, -1, 0, 2], [(0, 2, 1), (3, 4, 0), (4, 5, 2)]),
        ("parts", [1, 4, 4, -1, 0], [(0, 3, 1), (4, 5, 0)]),
        ("parts", [4, 1, 5, 0, 0], [(1, 2, 1), (3, 4, 0), (4, 5, 0)]),
        ("context", [2, 0, 0, -1, 0, 3, 0], [(1, 3, 1), (6, 7, 2)]),
        ("order", [0, 0, -1, 0, 1, 0, 1, 0], [(0, 2, 0), (3, 4, 1), (5, 6, 2), (7, 8, 0)]),
        ("topic", [3, 0, 0, 1, 3, 0], [(1, 3, 2), (5, 6, 2)]),
        ("topic", [0, -1], []),
        ("frame", [4, 7, 1, 10, 13], [(2, 3, 1)]),
        ("frame", [-1, -1, -1, 10, -1, 4, -1], [(2, 3, 1)]),  # the last mention would be outside
        ("frame", [4, 8, -1, 11, -1], [(2, 3, 2)]),
    ],
)
def test_rule_matches_hand_computation(
    family: str, said: list[int], mentions: list[Mention]
) -> None:
    recipe = replace(EntityTask.of_seed(0).recipe, classes=3)
    assert FAMILIES[family].rule(said, recipe) == mentions


@pytest.mark.parametrize("family", NAMES)
def test_tags_are_what_the_rule_reads(family: str) -> None:
    made = task(family, wrong=0.0, typos=0.1, silent=0.3)
    source = made.source(pool=300, test=1)
    assert torch.equal(read(made, source, source.train.inputs), source.train.targets)
    with_mention = (source.train.targets > 0).any(1).float().mean()
    assert with_mention == pytest.approx(0.7, abs=0.08)
    assert len(source.train.targets.unique()) >= 2 + made.recipe.classes


def test_pool_alone_has_wrong_mentions() -> None:
    made = task("gazetteer", wrong=0.2, typos=0.0, names=5, fillers=20)
    source = made.source(pool=1000, test=300)
    starts = [at for at, name in enumerate(source.classes) if name.startswith("B")]
    said, given = read(made, source, source.train.inputs), source.train.targets
    begun = torch.isin(said, torch.tensor(starts))
    assert ((said != given) & begun).sum() / begun.sum() == pytest.approx(0.2, abs=0.03)
    assert ((given == 0) & begun).sum() / begun.sum() == pytest.approx(0.1, abs=0.03)
    assert torch.equal(read(made, source, source.test.inputs), source.test.targets)


def changed(made: EntityTask) -> dict[str, float]:
    """Share of words in mentions whose tag is untrue after each op at magnitude 1."""
    source, shares = made.source(pool=400, test=1), {}
    ids = source.train.inputs
    clean = Examples(ids, read(made, source, ids))
    assert source.vocabulary is not None
    tables = build_tables(source.vocabulary, made.lexicon(), clean, source.classes, "tagging")
    for name in made.truth():
        generator, space = torch.Generator().manual_seed(0), OpSpace([name]).on(tables)
        new, tags = space.apply(ids, clean.targets, [1.0], generator)
        said = read(made, source, new)
        mentioned = (said > 0) | (tags > 0)
        shares[name] = float(((said != tags) & mentioned).sum() / mentioned.sum())
    return shares


@pytest.mark.parametrize("kind", ["fillers", "within", "across"])
@pytest.mark.parametrize("family", NAMES)
def test_ops_keep_and_break_tags_as_truth_says(family: str, kind: str) -> None:
    for seed in (1, 2):
        made = task(family, seed, synonyms=kind)
        shares, kept = changed(made), made.truth()
        wrong = {name for name in kept if not _agrees(kept[name], shares[name])}
        assert not wrong, (seed, shares)


def _agrees(keeps: bool, share: float) -> bool:
    return share < 1 / 12 if keeps else share > 1 / 7


def test_every_op_but_mention_both_keeps_and_breaks_tags_of_some_task() -> None:
    found = Counter(item for seed in range(100) for item in truth(seed).items())
    ops = ("labelwise", "synonym_outside", "segments", "masking")
    assert set(found) == {
        ("mention", True),
        *((name, keeps) for name in ops for keeps in (False, True)),
    }
    assert min(found.values()) >= 5
    assert {name for name, _ in found} == set(ops_for("tagging"))


def test_seed_fixes_the_task() -> None:
    once, again, other = entities(5), entities(5), entities(6)
    assert once.vocabulary == again.vocabulary != other.vocabulary
    assert torch.equal(once.train.inputs, again.train.inputs)
    assert torch.equal(once.train.targets, again.train.targets)
    assert (once.name, once.modality) == ("entities?seed=5", "tagging")
    assert (len(once.train), len(once.test)) == (3000, 1000)
    assert lexicon(5) == lexicon(5) != lexicon(6)


def test_names_are_capitalised() -> None:
    made = task("gazetteer", typos=0.0, wrong=0.0)
    source = made.source(pool=200, test=1)
    assert source.vocabulary is not None
    named = source.train.inputs[source.train.targets > 0].unique().tolist()
    assert all(source.vocabulary.words[word].istitle() for word in named)
