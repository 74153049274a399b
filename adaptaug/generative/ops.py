"""Source ops that replace a share of a batch by generated samples, labels included.

The magnitude is the share: at 1 the whole batch is generated. The bank of samples is made once per
run, from the child's training split alone (`OpSpace.fitted`). Importing this module registers the
ops; `adaptaug.ops.find` imports it when it is first asked for one of them.
"""

from dataclasses import replace
from typing import Any

from adaptaug.generative.bank import replaced
from adaptaug.generative.dcgan import DCGAN
from adaptaug.generative.gpt2 import GPT2
from adaptaug.ops.op import Op, register

_SHARE = "share of the batch"
_FOR_IMAGES, _FOR_TEXT = DCGAN(), GPT2()


def generated(settings: DCGAN = _FOR_IMAGES, **changes: Any) -> Op:
    """The op that inserts images of a class-conditional DCGAN.

    Args:
        settings: how the DCGAN is built and trained; the default suits a CPU.
        changes: fields of the settings to change, such as `epochs=20`.
    """
    fit = replace(settings, **changes)
    return Op("generated", "source", 1.0, _SHARE, replaced, chance=True, fit=fit)


def generated_text(settings: GPT2 = _FOR_TEXT, **changes: Any) -> Op:
    """The op that inserts sentences of a GPT-2 with the label as a prefix.

    Args:
        settings: how the GPT-2 is built and trained; the default suits a CPU.
        changes: fields of the settings to change, such as `pretrained="openai-community/gpt2"`.
    """
    return Op(
        "generated_text", "source", 1.0, _SHARE, replaced,
        chance=True, modalities=("text",), fit=replace(settings, **changes),
    )  # fmt: skip


GENERATED_OPS: tuple[Op, ...] = (register(generated()), register(generated_text()))
