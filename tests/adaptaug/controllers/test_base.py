"""Magnitudes that a controller is made with are checked."""

from collections.abc import Callable

import pytest

from adaptaug.controllers import ADA, Learned, Reactive
from adaptaug.controllers.base import Controller, check_magnitudes
from adaptaug.errors import AdaptAugError
from adaptaug.policy.network import PolicyNetwork

each = pytest.mark.parametrize("magnitude", [-0.1, 1.1, float("nan")])


def test_magnitudes_in_range_are_returned_as_a_list() -> None:
    assert check_magnitudes((0, 0.5, 1)) == [0, 0.5, 1]


@each
@pytest.mark.parametrize(
    "make",
    [check_magnitudes, ADA, lambda bad: Reactive([[0.0, 0.0], bad])],
    ids=["check", "ada", "reactive"],
)
def test_magnitude_out_of_range_is_refused(
    make: Callable[[list[float]], object], magnitude: float
) -> None:
    rule = rf"magnitude must lie in \[0, 1\], got {magnitude} for op 1"
    with pytest.raises(AdaptAugError, match=rule):
        make([0.5, magnitude])


def test_only_a_learned_policy_does_without_held_out_data_by_default() -> None:
    assert Controller().needs_held_out
    assert ADA([0.5]).needs_held_out
    assert not Learned(PolicyNetwork(1)).needs_held_out


def test_controller_augments_runs_of_any_length_by_default() -> None:
    assert Controller().min_epochs == 0
