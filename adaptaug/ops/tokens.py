"""Building blocks of token ops: choose tokens, look up values, and replace, move or drop ids.

Ids are int64 (B, L) with `PAD` on the right only; masks are bool (B, L) and false at padding.
Arguments are not modified. For speed, functions work on the list of chosen positions instead of on
whole rows, and move tokens by writing them into an empty tensor instead of by sorting. On a GPU,
they never make the host wait for the device.
"""

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

_LEVELS = 2**16
"""Number of values of the 16-bit random numbers."""


def present(ids: Tensor) -> Tensor:
    """Where ids are tokens, not padding: bool (B, L)."""
    return ids.bool()  # `PAD` is 0; a comparison takes three times as long


def chosen(ids: Tensor, rate: Tensor, generator: Generator) -> Tensor:
    """Chooses each token independently, with the probability of its row.

    Args:
        ids: int64 (B, L).
        rate: float32 (B,) in [0, 1], rounded to a multiple of 1/65,536; 1 becomes 65,535/65,536.
        generator: the only source of randomness.
    """
    # One 64-bit number serves four tokens, in a third of the time of torch.rand.
    words = torch.empty((ids.numel() + 3) // 4, dtype=torch.int64, device=ids.device)
    words.random_(-(2**63), None, generator=generator)
    level = words.view(torch.int16)[: ids.numel()].view(ids.shape)
    limit = (rate * _LEVELS).round_().sub_(_LEVELS // 2).clamp_(max=_LEVELS // 2 - 1)
    return _less(level, limit.to(torch.int16)[:, None]) & present(ids)


def below(limit: Tensor, generator: Generator) -> Tensor:
    """Uniform random integers, int64 in 0..limit - 1, of limit's shape; 0 where the limit is 0.

    Limits must lie below 2^24, where float32 is exact.
    """
    uniform = torch.rand(limit.shape, generator=generator, device=limit.device)
    return uniform.mul_(limit).long()


def places(mask: Tensor) -> Tensor:
    """Flat positions where the mask is true, row by row: int64 (n,) in 0..B·L - 1.

    On a GPU, the host would have to wait for n. There the result is padded to B·L entries with the
    value B·L, one past the last position, which `look` and `put` handle.
    """
    flat = mask.flatten()
    if _must_not_wait(mask):
        return torch.nonzero_static(flat, size=len(flat), fill_value=len(flat))[:, 0]
    return torch.from_numpy(np.flatnonzero(flat.numpy()))  # several times as fast as torch.nonzero


def look(values: Tensor, at: Tensor, beyond: int = 0) -> Tensor:
    """The values (n,) at flat positions; `beyond` at one past the last position."""
    flat = values.flatten()
    if _must_not_wait(at):
        flat = functional.pad(flat, (0, 1), value=beyond)
    return flat.index_select(0, at)


def put(ids: Tensor, mask: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """The ids with `values` (n,) in place of those of the mask; `at` is `places(mask)`."""
    if _must_not_wait(mask):
        return ids.masked_scatter(mask, values)
    return ids.flatten().scatter(0, at, values).view(ids.shape)


def shuffled(ids: Tensor, mask: Tensor, at: Tensor, groups: Tensor, generator: Generator) -> Tensor:
    """Shuffles the tokens of the mask within groups.

    Args:
        ids: int64 (B, L).
        mask: the tokens that take part.
        at: int64 (n,), `places(mask)`.
        groups: int64 (n,), the group of each token, in 0..2^46 and in ascending order.
        generator: the only source of randomness.
    """
    tie = torch.randint(_LEVELS, at.shape, generator=generator, device=at.device)
    order = (groups * _LEVELS + tie).argsort()
    return put(ids, mask, at, look(ids, at[order]))


def deleted(ids: Tensor, mask: Tensor, generator: Generator) -> Tensor:
    """Drops the tokens of the mask; a row that would lose all its tokens keeps a random one."""
    count, width = ids.shape
    kept = present(ids) ^ mask
    many = kept.sum(dim=1)
    first = _less(torch.arange(width, device=ids.device), many[:, None])
    # The extra position at the end receives the padding of `places` on a GPU.
    result = ids.new_zeros(count * width + 1)
    result.scatter_(0, places(first), look(ids, places(kept)))
    lost = places(many == 0)
    rows = ids.index_select(0, lost.clamp(max=count - 1))
    spared = below(present(rows).sum(dim=1), generator)[:, None]
    result.scatter_(0, lost * width, rows.gather(1, spared)[:, 0])
    return result[:-1].view(count, width)


def widened(ids: Tensor, mask: Tensor, at: Tensor, words: Tensor) -> Tensor:
    """Inserts words (n,) before the tokens of the mask; what no longer fits a row is cut off.

    `at` is `places(mask)`.
    """
    count, width = ids.shape
    many = mask.sum(dim=1)
    # Rows wide enough for all insertions; on a GPU, the host would have to wait for the width.
    wide = 2 * width if _must_not_wait(ids) else width + int(many.max())
    # A token stands one position after the one before it, or two if a word is inserted between;
    # the first token of a row stands at the start of the row.
    steps = mask.long().add_(1)
    steps[1:, 0] += wide - width - many[:-1]
    place = steps.flatten().cumsum_(0)  # in place: allocating memory costs most here
    result = ids.new_zeros(1 + count * wide)  # positions are counted from 1
    result.scatter_(0, place, ids.flatten())
    result.scatter_(0, look(place, at, 1) - 1, words)
    return result[1:].view(count, wide)[:, :width].contiguous()


def laid_out(sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Lays out rows in which each token occupies `sizes` (B, L) positions; the excess is cut off.

    Returns:
        The old token at each position of the new row, int64 (B, L) in 0..L, where L means none;
        and how many positions of that token precede this one, int64 (B, L).
    """
    count, width = sizes.shape
    ends = sizes.cumsum(dim=1)
    # The token at a position is the number of tokens that end at or before it.
    ended = ends.new_zeros(count, width + 1)
    ended.scatter_add_(1, ends.clamp(max=width), torch.ones_like(ends))
    source = ended[:, :width].cumsum(dim=1)
    place = torch.arange(width, device=sizes.device)
    return source, place - take(ends - sizes, source, 0)


def take(values: Tensor, source: Tensor, beyond: int) -> Tensor:
    """The values (B, L) of the tokens that `source` gives in each row, `beyond` for token L."""
    return functional.pad(values, (0, 1), value=beyond).gather(1, source)


def latest(mask: Tensor) -> Tensor:
    """For each position, the last one up to it where the mask is true, else 0: (B, L)."""
    place = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, place, 0).cummax(dim=1).values


def _less(values: Tensor, limit: Tensor) -> Tensor:
    """`values < limit`; on a CPU, numpy compares several times as fast as torch."""
    if values.is_cuda:
        return values < limit
    return torch.from_numpy(np.less(values.numpy(), limit.numpy()))


def _must_not_wait(values: Tensor) -> bool:
    """Whether reading a value would make the host wait for the device."""
    return values.is_cuda
