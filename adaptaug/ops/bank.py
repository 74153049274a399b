"""What a source op draws from, and what that is made of."""

import hashlib
from dataclasses import dataclass

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class FitData:
    """What a generator is trained on."""

    train: Examples
    """The child's own training examples, and no others."""
    num_classes: int
    """Classes K."""
    seed: int
    """Fixes weights, batches and samples."""
    classes: tuple[str, ...] = ()
    """Names of the classes; without them, "0" to "K - 1"."""
    vocabulary: Vocabulary | None = None
    """The words of the ids; None for images."""

    def fingerprint(self) -> str:
        """The same for the same data and seed, another for others."""
        digest = hashlib.sha256()
        for part in (self.train.inputs, self.train.targets):
            digest.update(repr((part.shape, part.dtype, part.device)).encode())
            digest.update(part.cpu().contiguous().numpy().tobytes())
        words = None if self.vocabulary is None else self.vocabulary.words
        digest.update(repr((self.num_classes, self.seed, self.classes, words)).encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Bank:
    """What a generator made, and what that took."""

    samples: Examples
    """uint8 images, or ids, with their labels; on the training examples' device."""
    seconds: float
    """Training and sampling: processor time, or elapsed time on a GPU."""
    problem: str = ""
    """Why the samples must not be used; empty where nothing is wrong."""
