"""What augmentation costs: measured once, then read from a table, so that a seed replays."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace

COST_WEIGHT = 0.05
"""Lambda where none is given: the price, in reward, of as much compute again as plain training."""


@dataclass(frozen=True)
class CostTable:
    """Costs in units of one plain training step (batch, forward, backward, update)."""

    stages: Mapping[str, float] = field(default_factory=dict)
    """Augmenting one batch, by stage of the op space; fused ops share one stage."""
    observe: float = 1.5
    """One observation: validation and probes."""
    default: float = 0.1
    """Any stage that is not in the table."""
    validate: float = 0.5
    """One observation without probes."""

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
        """Reads plain data; what is missing takes its default, as in older policies.

        Raises:
            AdaptAugError: a key is unknown, or a value no number.
        """
        try:
            numbers = {key: float(value) for key, value in data.items() if key != "stages"}
            stages = {stage: float(cost) for stage, cost in data.get("stages", {}).items()}
            return cls(stages, **numbers)
        except (AttributeError, TypeError, ValueError) as error:
            raise AdaptAugError(f"a cost table must be as to_dict has it: {error}") from None
