"""Every row of the table keeps the contract of an op."""

import pytest

from adaptaug.ops import IMAGE_OPS
from adaptaug.ops.testing import check_op


@pytest.mark.parametrize("op", IMAGE_OPS, ids=lambda op: op.name)
def test_every_op_keeps_the_contract(op):
    check_op(op)


def test_names_are_unique_and_only_colour_needs_rgb():
    assert len({op.name for op in IMAGE_OPS}) == len(IMAGE_OPS) == 19
    assert [op.name for op in IMAGE_OPS if not op.grayscale] == ["saturation", "hue"]
