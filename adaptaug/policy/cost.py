"""The cost of augmentation, read from a table that is measured once, so that a seed replays."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace

COST_WEIGHT = 0.05
"""Default of lambda: the reward subtracted for compute that equals one plain training."""


@dataclass(frozen=True)
class CostTable:
    """Costs in units of one plain training step (batch, forward, backward, update)."""

    stages: Mapping[str, float] = field(default_factory=dict)
    """Cost of augmenting one batch, by stage of the op space; fused ops share one stage."""
    observe: float = 1.5
    """Cost of one observation with probes."""
    default: float = 0.1
    """Cost of a stage that is not in `stages`."""
    validate: float = 0.5
    """Cost of one observation without probes."""

    def interval(self, op_space: OpSpace, magnitudes: Sequence[float], batches: int) -> float:
        """Cost of augmenting `batches` batches at these magnitudes."""
        active = {stage for stage, m in zip(op_space.stages, magnitudes, strict=True) if m > 0}
        return batches * sum(self.stages.get(stage, self.default) for stage in sorted(active))

    def observation(self, probe: bool) -> float:
        """Cost of one observation, with or without probes."""
        return self.observe if probe else self.validate

    def to_dict(self) -> dict[str, Any]:
        """The table as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads plain data; missing keys, as in older tables, take their defaults.

        Raises:
            AdaptAugError: a key is unknown, or a value is not a number.
        """
        try:
            numbers = {key: float(value) for key, value in data.items() if key != "stages"}
            stages = {stage: float(cost) for stage, cost in data.get("stages", {}).items()}
            return cls(stages, **numbers)
        except (AttributeError, TypeError, ValueError) as error:
            raise AdaptAugError(f"a cost table must be as to_dict returns it: {error}") from None
