"""Training only those rows of an embedding that a run has met."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Adam

from adaptaug.data.vocabulary import PAD


class UsedRows:
    """Makes Adam's step on an embedding as small as the words that have occurred so far.

    A word that has not occurred has no gradient and no momentum, so that Adam, without weight
    decay, leaves its row as it is: the result is that of training the whole table. A step over
    10,000 x 128 numbers would take 1.6 ms, over the words of 500 sentences of SST-2 0.5 ms.
    """

    def __init__(self, embedding: nn.Embedding, optimizer: Adam) -> None:
        """Takes the embedding and the optimizer that trains it, before its first step."""
        self._weight, self._state = embedding.weight, optimizer.state
        self._moments: dict[str, Tensor] = {}  # of the whole table, between calls
        self._met = torch.zeros(len(self._weight), dtype=torch.bool, device=self._weight.device)
        self._met[PAD] = True

    @contextmanager
    def only(self, ids: Tensor) -> Iterator[Tensor]:
        """Within the block the embedding has only the rows that were met, these ids included.

        Args:
            ids: int64 of any shape, all that is trained on within the block.

        Yields:
            The ids as the smaller embedding numbers them; that of padding stays 0.
        """
        self._met[ids] = True
        rows = self._met.nonzero()[:, 0]
        whole, state = self._weight.data, self._state[self._weight]
        self._weight.data = whole[rows]
        state.update({name: table[rows] for name, table in self._moments.items()})
        try:
            yield (self._met.cumsum(0) - 1)[ids]
        finally:
            whole[rows] = self._weight.data
            for name, moment in state.items():
                if moment.shape == self._weight.shape:
                    table = self._moments.setdefault(name, torch.zeros_like(whole))
                    table[rows] = moment
            self._weight.data, self._weight.grad = whole, None
