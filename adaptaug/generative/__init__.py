"""Generative augmentation: models that make labelled examples out of a child's training split.

`DCGAN` for images and `GPT2` for sentences are the settings of the ops `generated` and
`generated_text`; `quality` measures what they make, `show` puts it before people's eyes.
"""

from adaptaug.generative.dcgan import DCGAN
from adaptaug.generative.gpt2 import GPT2

__all__ = ["DCGAN", "GPT2"]
