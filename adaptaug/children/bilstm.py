"""The BiLSTM classifier of the AugNet study, parameterised in width, words and classes."""

import torch
from torch import Tensor, nn

from adaptaug.children.sentences import SentenceEncoder


class BiLSTM(nn.Module):
    """Embedding, an LSTM in each direction, a dense layer, dropout 0.5 and a linear classifier.

    embedding 2 `width`; LSTMs of `width` units, of which the last states count; dense 2 `width`,
    ReLU; dropout 0.5; one unit for two classes, else one a class. At width 64 it is the study's.
    """

    ignores_padding = True
    """What a sentence gives does not depend on the padding after it."""

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

        Of two classes the first has logit 0: their cross-entropy is that of a sigmoid unit.
        """
        ahead, back, turned = self.encoder(ids)
        last, rows = turned[0], torch.arange(len(ids), device=ids.device)
        logits: Tensor = self.layers(torch.cat([ahead[last, rows], back[last, rows]], 1))
        if logits.shape[1] == 1:
            return torch.cat([torch.zeros_like(logits), logits], 1)
        return logits
