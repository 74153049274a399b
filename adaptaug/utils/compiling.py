"""What `torch.compile` leaves alone."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec, TypeVar

import torch
from torch._compile import _disable_dynamo

_P = ParamSpec("_P")
_T = TypeVar("_T")


def outside_graphs(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorates a function that a compiled caller calls as it is, between two graphs.

    `torch.compiler.disable` does the same, but imports the compiler at once, for 2 seconds.
    """
    return _disable_dynamo(function)


def uncompiled() -> AbstractContextManager[object]:
    """Within the block, models that `torch.compile` wraps run as they are beneath.

    Evaluation mode and other batch sizes would otherwise be compiled, too.
    """
    if "torch._dynamo" not in sys.modules:  # nothing is compiled
        return nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance
