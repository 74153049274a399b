"""Augmentation ops: each works on a whole batch and draws an amount for every sample."""

from typing import TYPE_CHECKING

from adaptaug.ops.eda import EDA
from adaptaug.ops.image import IMAGE_OPS
from adaptaug.ops.lookup import TokenTables, build_tables
from adaptaug.ops.op import STAGES, Op, draw, find, ops_for, register, register_missing
from adaptaug.ops.op_space import OpSpace
from adaptaug.ops.tagging import TAGGING_OPS
from adaptaug.ops.text import TEXT_OPS
from adaptaug.utils.lazy import on_first_use

if TYPE_CHECKING:
    from adaptaug.ops.wrapped import Wrapped, wrap

__all__ = [
    "EDA",
    "IMAGE_OPS",
    "STAGES",
    "TAGGING_OPS",
    "TEXT_OPS",
    "Op",
    "OpSpace",
    "TokenTables",
    "Wrapped",
    "build_tables",
    "draw",
    "find",
    "ops_for",
    "register",
    "register_missing",
    "wrap",
]

__getattr__ = on_first_use(
    __name__, {"Wrapped": "adaptaug.ops.wrapped", "wrap": "adaptaug.ops.wrapped"}
)
