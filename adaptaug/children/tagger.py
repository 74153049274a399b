"""A BiLSTM tagger: one tag for every token."""

import torch
from torch import Tensor, nn

from adaptaug.children.sentences import SentenceEncoder


class Tagger(nn.Module):
    """Embedding of 2 `width`, an LSTM of `width` units in each direction, dropout 0.5, linear."""

    ignores_padding = True
    """A sentence's logits do not depend on the padding after it."""

    def __init__(
        self,
        vocabulary_size: int,
        num_tags: int,
        width: int = 64,
        vectors: Tensor | None = None,
    ) -> None:
        """Builds the layers; see `SentenceEncoder` for vocabulary and vectors."""
        super().__init__()
        self.encoder = SentenceEncoder(vocabulary_size, width, vectors)
        self.layers = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * width, num_tags))

    def forward(self, ids: Tensor) -> Tensor:
        """Maps ids (B, L), padded on the right with 0, to logits (B, L, K).

        Logits at padding are meaningless.
        """
        ahead, back, turned = self.encoder(ids)
        back = back.gather(0, turned[..., None].expand_as(back))
        logits: Tensor = self.layers(torch.cat([ahead, back], 2)).transpose(0, 1)
        return logits
