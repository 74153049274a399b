"""Screening: which ops help, how strong and at which budgets, before a policy is learned.

A reward tells what all ops of a run did together. Children that train under random constants tell
ops apart, since each of them informs about every op. This is Bayesian optimisation with Thompson
sampling (Thompson 1933; Kandasamy et al. 2018): every child gets the best of many random constants
under one draw from what is known, so that ops are judged in the company in which they will be used.
What is known is put roughly there, so that little is ruled out. A policy then starts with the
biases and gates that promise most: before a search, and on data to which a policy is adapted. The
process that foretells best says which. It closes ops sharply, though, and PPO does not open them
again, so that before a search the rough one says it, if it foretells anything at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaptaug.controllers import Constant
from adaptaug.evaluation.train_child import Arm, Pool
from adaptaug.ops import Op
from adaptaug.policy.network import START, PolicyNetwork, levels, to_latent, to_magnitudes
from adaptaug.policy.observation import log_passes
from adaptaug.utils.seeding import one_thread
from agents.objective import Trial
from agents.warm_start.gaussian_process import ROUGH, Surrogate

OCTAVES = 1.0
"""Constants go up to so many octaves below and above the magnitude that a screening tries."""

CANDIDATES = 100
"""Random constants of which a child gets the best."""

STRONGEST = 0.9
"""Largest magnitude to start from, which leaves some way to go up."""

CAUTION, BOLD = 2.0, 1.0
"""A start is judged by what it gains in expectation less so many standard deviations; by the latter
where it is the rough process that judges."""

OPEN, SLOPES = 0.8, (0.0, 0.3)
"""How far gates are open when the best start is looked for, at the mean budget, and how much more
with every sixteenfold number of passes. Never less: long runs bear what short ones bear."""

STEPS, RATE = 150, 0.05
"""Of Adam, in that."""


class Screening:
    """Draws constants for children, and finds where a policy should start."""

    def __init__(self, n_ops: int, tried: float, seed: int) -> None:
        """Starts without a belief.

        Args:
            n_ops: number of ops.
            tried: magnitude around which they are tried, in (0, 1].
            seed: of the constants that are drawn.
        """
        self.surrogate = Surrogate(n_ops)
        self.told: list[dict[str, Any]] = []
        """What `tell` was given, as plain data: told again, it is known again."""
        self._tried, self._seed, self._asked = tried, seed, 0

    def ask(self, count: int, budget: float) -> np.ndarray:
        """Draws magnitudes (count, n_ops) for children of one budget, given as `log_passes`."""
        random = np.random.default_rng((self._seed, 2, self._asked))
        self._asked += 1
        if not len(self.surrogate.budgets):
            return self._draw(count, random)
        constants = self._draw(CANDIDATES, random)
        noise = torch.from_numpy(random.normal(size=(count, CANDIDATES)))
        gains = self.surrogate.sample(torch.from_numpy(constants), budget, noise)
        best = gains.argmax(1)
        best[0] = 0  # whatever is believed, one child tries something: belief may be wrong
        asked: np.ndarray = constants[best.numpy()]
        return asked

    def tell(self, magnitudes: np.ndarray, scores: np.ndarray, budget: float) -> None:
        """Takes scores (n,) of children that share task and seed; see `Surrogate.tell`."""
        self.surrogate.tell(torch.from_numpy(magnitudes), torch.from_numpy(scores), budget)
        self.told.append(
            {"magnitudes": magnitudes.tolist(), "scores": scores.tolist(), "budget": budget}
        )

    def recall(self, told: Sequence[Mapping[str, Any]]) -> None:
        """Goes on from what another screening of the same seed was `told`."""
        for group in told:
            self.tell(np.array(group["magnitudes"]), np.array(group["scores"]), group["budget"])
        if told:
            self.surrogate.fit(ROUGH)
        self._asked = len(self.told)

    def _draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Random constants (count, n_ops)."""
        shape = (count, self.surrogate.magnitudes.shape[1])
        share = random.uniform(0.1, 0.9, (count, 1))
        on = random.uniform(size=shape) < share
        octaves = random.uniform(-OCTAVES, OCTAVES, shape)
        constants: np.ndarray = (on * self._tried * 2**octaves).clip(max=1)
        return constants

    @one_thread()
    def start(self, network: PolicyNetwork, *, learns: bool = False) -> None:
        """Sets a policy's biases and gates to what promises most at the budgets that were tried.

        By gradient ascent on a lower bound of the gain, in the mean over these budgets, from all
        ops at the magnitude that was tried, at all budgets alike and in long runs above all; none
        goes beyond the strongest that was tried.

        Args:
            network: the policy's.
            learns: whether the policy will learn from there, so that the rough process may say it.
        """
        self.surrogate.fit(ROUGH)
        bold = learns and self.surrogate.foretold > 0
        if not bold:
            self.surrogate.fit()
        caution = BOLD if bold else CAUTION
        found = [self._ascend(len(network.op_bias), slope, caution) for slope in SLOPES]
        _, bias, gate = max(found, key=lambda start: start[0])
        with torch.no_grad():
            network.op_bias.copy_(bias)
            network.gate.copy_(gate)

    def _ascend(
        self, n_ops: int, first_slope: float, caution: float
    ) -> tuple[float, Tensor, Tensor]:
        """The bound, biases and gates that are found from a first slope of the gates."""
        budgets = self.surrogate.budgets.unique()
        mean, strongest = budgets.mean(), min(self._tried * 2**OCTAVES, STRONGEST)
        bias, opened, slope = (
            torch.full((n_ops,), value, dtype=torch.float64, requires_grad=True)
            for value in (to_latent(self._tried) - START, OPEN, first_slope)
        )
        optimizer = torch.optim.Adam([bias, opened, slope], lr=RATE)
        bound = torch.zeros(())

        def gate() -> Tensor:
            return torch.stack([opened - slope * mean, slope], 1)

        for _ in range(STEPS):
            magnitudes = to_magnitudes(torch.tanh(levels(bias, gate(), budgets)))
            expected, deviations = self.surrogate.gain(magnitudes, budgets)
            bound = (expected - caution * deviations).mean()
            optimizer.zero_grad()
            (-bound).backward()
            optimizer.step()
            with torch.no_grad():
                bias.clamp_(max=to_latent(strongest) - START)
                slope.clamp_(min=0)
        return bound.item(), bias.detach(), gate().detach()

    def worth(self, network: PolicyNetwork) -> list[dict[str, list[float]]]:
        """What is expected of each op of a started policy, at three of the budgets that were tried.

        Returns:
            For each op `magnitudes` at the lowest, the middle and the highest budget, and
            `effects`: what the op adds there to the others, at the magnitude that was tried where
            it is off.
        """
        budgets = self.surrogate.budgets.quantile(
            torch.tensor([0, 0.5, 1], dtype=torch.float64), interpolation="nearest"
        )
        rows = []
        with torch.no_grad():
            bias, gate = network.op_bias.double(), network.gate.double()
            chosen = to_magnitudes(torch.tanh(levels(bias, gate, budgets)))
            for op in range(len(bias)):
                on, off = chosen.clone(), chosen.clone()
                off[:, op] = 0
                on[:, op] = torch.where(chosen[:, op] > 0, chosen[:, op], self._tried)
                (reached, _), (without, _) = (self.surrogate.gain(m, budgets) for m in (on, off))
                effects = (reached - without).tolist()
                rows.append({"magnitudes": chosen[:, op].tolist(), "effects": effects})
        return rows


def screen(
    screening: Screening,
    ops: Sequence[str | Op],
    trial: Trial,
    rounds: int,
    pool: Pool,
    *,
    groups: int = 1,
    group_size: int = 6,
) -> Iterator[None]:
    """Screens ops on children that train under constants, which cost nothing but the ops.

    Args:
        screening: what draws the constants and learns; one that was told of some rounds already
            goes on with the next.
        ops: the ops.
        trial: what children are trained on.
        rounds: between them the belief is brought up to date.
        pool: trains the children.
        groups: pairs of task and seed in a round.
        group_size: children that share them.

    Yields:
        After each round.
    """
    for first in range(len(screening.told), rounds * groups, groups):
        trials = range(first, first + groups)
        budgets = [log_passes(trial.draw(number)[0].passes) for number in trials]
        asked = [screening.ask(group_size, budget) for budget in budgets]
        jobs = [
            job
            for number, constants in zip(trials, asked, strict=True)
            for row in constants
            for job in trial.jobs(Arm("screening", tuple(ops), Constant(row.tolist())), [number])
        ]
        scores = np.array([trial.score(record) for record in pool.run(jobs, "", quiet=True)])
        for told in zip(asked, scores.reshape(groups, group_size), budgets, strict=True):
            screening.tell(*told)
        screening.surrogate.fit(ROUGH)
        yield
