"""The BiLSTM classifier of the AugNet study, parameterised in width, words and classes."""

import torch
from torch import Tensor, nn

from adaptaug.children.sentences import SentenceEncoder


class BiLSTM(nn.Module):
    """Embedding, an LSTM in each direction, a dense layer, dropout 0.5 and a linear classifier.

    The embedding has 2 `width` dimensions. Each LSTM has `width` units and passes on its last
    state. The dense layer has 2 `width` units and ReLU. The classifier has one unit for two
    classes, else one per class. At width 64 it is the study's model.
    """

    ignores_padding = True
    """A sentence's logits do not depend on the padding after it."""

    def __init__(
        self,
        vocabulary_size: int,
        num_classes: int,
        width: int = 64,
        vectors: Tensor | None = None,
    ) -> None:
        """Builds the layers; see `SentenceEncoder` for vocabulary and vectors."""
        super().__init__()
        self.encoder = SentenceEncoder(vocabulary_size, width, vectors)
        self.layers = nn.Sequential(
            nn.Linear(2 * width, 2 * width),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(2 * width, 1 if num_classes == 2 else num_classes),
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Maps ids (B, L), padded on the right with 0, to logits (B, K).

        With two classes, the first logit is 0, so that cross-entropy is that of a sigmoid unit.
        """
        ahead, back, turned = self.encoder(ids)
        last, rows = turned[0], torch.arange(len(ids), device=ids.device)
        logits: Tensor = self.layers(torch.cat([ahead[last, rows], back[last, rows]], 1))
        if logits.shape[1] == 1:
            return torch.cat([torch.zeros_like(logits), logits], 1)
        return logits
