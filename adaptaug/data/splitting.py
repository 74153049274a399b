"""Splits a data set into train, reward-validation and final test: seeded, stratified by class.

Tagged sentences, which have no class of their own, are stratified by whether they hold an entity.
"""

import torch
from torch import Tensor

from adaptaug.data.examples import Examples, Source, Split
from adaptaug.data.vocabulary import IGNORED
from adaptaug.errors import AdaptAugError

_FIXED_SEED = 0
"""Seed of the draws that no experiment's seed may change: `rows` of a pool, `n_test` test rows."""


def split(
    source: Source,
    n_train: int,
    n_validation: int,
    seed: int,
    rows: tuple[int, int] | None = None,
    n_test: int | None = None,
) -> Split:
    """Draws three disjoint sets; the same arguments give the same rows on every machine.

    Within a set, rows come in stratified order: every prefix has about the class proportions of the
    whole; in tagging, about its proportion of sentences with an entity.

    Args:
        source: the data set; the sets stay on its device.
        n_train: training rows, drawn from the pool `source.train` by `seed`.
        n_validation: reward-validation rows, drawn from what is left of the pool.
        seed: seed of the draw.
        rows: (start, stop) restricts the pool to this slice of a fixed permutation of it, so that
            a search and a later transfer can use rows that do not overlap.
        n_test: keep this many test rows, the same for all seeds; None keeps all.

    Raises:
        AdaptAugError: `rows` outside the pool, fewer rows than asked for, a class that is
            missing from a set, or a set of tagged sentences without an entity.
    """
    pool = _pool(source, rows)
    if n_train < 1 or n_validation < 1 or n_train + n_validation > len(pool):
        raise AdaptAugError(
            "n_train and n_validation must be at least 1 and fit in the pool of "
            f"{len(pool)} rows together, got {n_train} + {n_validation} "
            f"for data set '{source.name}'"
        )
    if n_test is not None and not 1 <= n_test <= len(source.test):
        raise AdaptAugError(
            f"n_test must lie in 1..{len(source.test)}, got {n_test} for data set '{source.name}'"
        )
    generator = torch.Generator().manual_seed(seed)
    strata = _strata(source, source.train)
    drawn = pool[stratified_order(strata[pool], generator)]
    train, rest = drawn[:n_train], drawn[n_train:]
    validation = rest[stratified_order(strata[rest], generator)[:n_validation]]
    test = source.test
    if n_test is not None:
        fixed = torch.Generator().manual_seed(_FIXED_SEED)
        test = test[stratified_order(_strata(source, test), fixed)[:n_test]]
    result = Split(source.train[train], source.train[validation], test, source.num_classes)
    for part in ("train", "validation", "test"):
        _check_classes(source, getattr(result, part), part)
    return result


def stratified_order(targets: Tensor, generator: torch.Generator) -> Tensor:
    """A random order of rows in which every prefix is stratified by class.

    Row r (0-based, in random order) of a class of n rows is sorted by (r + 1/2) / n, which
    apportions any prefix by Webster's method. Two exceptions keep rare classes in both parts when
    the order is cut in two: the first row of each class comes before all other rows, and the last
    one after them.

    Args:
        targets: int64 (N,) on the CPU.
        generator: on the CPU.

    Returns:
        int64 (N,), a permutation of 0..N-1.
    """
    position = torch.empty(len(targets), dtype=torch.float64)
    shuffled = torch.randperm(len(targets), generator=generator)
    for label in targets.unique():
        members = shuffled[targets[shuffled] == label]
        key = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
        key[-1] = 2.0
        key[0] = -1.0
        position[members] = key
    # The shuffle breaks ties between classes of equal size; else the lowest label would win.
    return shuffled[torch.argsort(position[shuffled], stable=True)]


def _strata(source: Source, examples: Examples) -> Tensor:
    """Each row's stratum, int64 (N,) on the CPU: its class, or whether it holds an entity."""
    targets = examples.targets.cpu()
    if targets.ndim == 1:
        return targets
    outside = source.classes.index("O") if "O" in source.classes else IGNORED
    return ((targets != outside) & (targets != IGNORED)).any(dim=1).long()


def _pool(source: Source, rows: tuple[int, int] | None) -> Tensor:
    """Indices, int64 (n,), of the rows of `source.train` that may be drawn."""
    count = len(source.train)
    if rows is None:
        return torch.arange(count)
    start, stop = rows
    if not 0 <= start < stop <= count:
        raise AdaptAugError(
            f"rows must satisfy 0 <= start < stop <= {count}, got ({start}, {stop}) "
            f"for data set '{source.name}'"
        )
    fixed = torch.Generator().manual_seed(_FIXED_SEED)
    return torch.randperm(count, generator=fixed)[start:stop]


def _check_classes(source: Source, examples: Examples, part: str) -> None:
    """Raises AdaptAugError if a class of the source, or any entity, has no row in the examples."""
    if source.modality == "tagging":
        if not _strata(source, examples).any():
            raise AdaptAugError(
                "every split needs at least one tag besides 'O', "
                f"got none among the {len(examples)} rows "
                f"of split '{part}' of data set '{source.name}'"
            )
        return
    counts = torch.bincount(examples.targets.cpu(), minlength=source.num_classes)
    absent = (counts == 0).nonzero()
    if len(absent):
        raise AdaptAugError(
            f"every split needs at least one row of each of the {source.num_classes} classes, "
            f"got none of class '{source.classes[int(absent[0])]}' among the {len(examples)} rows "
            f"of split '{part}' of data set '{source.name}'"
        )
