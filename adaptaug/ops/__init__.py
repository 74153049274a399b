"""Augmentation ops on whole batches, with a draw of its own for every sample."""

from adaptaug.ops.image import IMAGE_OPS
from adaptaug.ops.op import STAGES, Op, draw, find, image_ops, register, register_missing
from adaptaug.ops.op_space import OpSpace
from adaptaug.ops.wrapped import Wrapped, wrap

__all__ = [
    "IMAGE_OPS",
    "STAGES",
    "Op",
    "OpSpace",
    "Wrapped",
    "draw",
    "find",
    "image_ops",
    "register",
    "register_missing",
    "wrap",
]
