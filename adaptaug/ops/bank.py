"""Source ops draw from a `Bank` of generated samples; a generator makes it from `FitData`.

Both are defined here so that ops need not know any generator.
"""

import hashlib
from dataclasses import dataclass

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class FitData:
    """The data and the seed that a generator is trained with."""

    train: Examples
    """The child's training examples; no validation or test examples."""
    num_classes: int
    """Number of classes K."""
    seed: int
    """Seed of the initial weights, the batches and the samples."""
    classes: tuple[str, ...] = ()
    """Class names; empty stands for "0" to "K - 1"."""
    vocabulary: Vocabulary | None = None
    """The vocabulary of the ids; None for images."""

    def fingerprint(self) -> str:
        """SHA-256 digest, in hexadecimal, of the data, their device and the seed."""
        digest = hashlib.sha256()
        for part in (self.train.inputs, self.train.targets):
            digest.update(repr((part.shape, part.dtype, part.device)).encode())
            digest.update(part.cpu().contiguous().numpy().tobytes())
        words = None if self.vocabulary is None else self.vocabulary.words
        digest.update(repr((self.num_classes, self.seed, self.classes, words)).encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Bank:
    """A generator's samples, the time it took, and whether the samples may be used."""

    samples: Examples
    """uint8 images or int64 ids, with labels, on the training examples' device."""
    seconds: float
    """Seconds of training and sampling: processor time on a CPU, elapsed time on a GPU."""
    problem: str = ""
    """Why the samples must not be used; empty if they may be used."""
