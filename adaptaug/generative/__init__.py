"""Generative augmentation: generators trained on a child's training split make labelled examples.

`DCGAN` for images and `GPT2` for sentences are the settings of the ops `generated` and
`generated_text` (see `ops`). `adaptaug.evaluation.sample_quality` measures their samples; `show`
displays them.
"""

from adaptaug.generative.dcgan import DCGAN
from adaptaug.generative.gpt2 import GPT2

__all__ = ["DCGAN", "GPT2"]
