"""Screening: finds which ops help, at which magnitudes and budgets, and initialises a policy.

Children are trained under random constant magnitudes, so that the score of each child is evidence
on every op. This is Bayesian optimisation by Thompson sampling (Thompson 1933; Kandasamy et al.
2018): each child gets the best of many random constants under one draw from a Gaussian process, so
that ops are tried together with the ops that they will be used with. Draws come from the process
with a short fixed length scale, which rules little out.

The policy is then initialised with the biases and gates of the highest lower confidence bound,
before a search or on new data. Two Gaussian processes are fitted: one with the best
leave-one-group-out error, one with a short fixed length scale. Adaptation uses the first; a search
uses the second if its R² is positive, because the first tends to switch ops off and PPO cannot
switch them back on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaptaug.controllers import Constant, Controller
from adaptaug.evaluation.train_child import Arm, Pool
from adaptaug.ops import Op
from adaptaug.policy.network import START, PolicyNetwork, levels, to_latent, to_magnitudes
from adaptaug.policy.observation import log_epochs
from adaptaug.utils.seeding import one_thread
from agents.objective import Objective
from agents.warm_start.gaussian_process import SHORT_LENGTH, GaussianProcess

OCTAVES = 1.0
"""Constants range from this many octaves below the magnitude of a screening to as many above."""

CANDIDATES = 100
"""Number of random constants of which each child gets the best."""

STRONGEST = 0.9
"""Largest magnitude of an initialised policy, which leaves PPO room to go higher."""

CAUTION = 2.0
"""Lower confidence bound: mean gain - CAUTION * standard deviation."""

CAUTION_SHORT_LENGTH = 1.0
"""CAUTION for the process with the short fixed length scale."""

OPEN, SLOPES = 0.8, (0.0, 0.3)
"""Where the optimisation of the gates starts: how far they are open at the mean budget, and how
much wider per unit of `log_epochs`, which is a sixteenfold number of epochs. Slopes never become
negative, because an op that helps in short runs also helps in long ones."""

ADAM_STEPS, ADAM_LEARNING_RATE = 150, 0.05
"""Adam's steps and learning rate in that optimisation."""


class Screening:
    """Suggests constant magnitudes for children, and initialises a policy from their scores."""

    def __init__(self, n_ops: int, magnitude: float, seed: int) -> None:
        """Starts without data.

        Args:
            n_ops: number of ops.
            magnitude: magnitude around which the ops are tried, in (0, 1].
            seed: fixes the constants.
        """
        self.process = GaussianProcess(n_ops)
        self.history: list[dict[str, Any]] = []
        """Arguments of all calls of `tell`, as plain data; see `replay`."""
        self._magnitude, self._seed, self._asked = magnitude, seed, 0

    def ask(self, count: int, budget: float) -> np.ndarray:
        """Suggests magnitudes (count, n_ops) for children of one budget, given as `log_epochs`."""
        random = np.random.default_rng((self._seed, 2, self._asked))
        self._asked += 1
        if not len(self.process.budgets):
            return self._draw(count, random)
        constants = self._draw(CANDIDATES, random)
        noise = torch.from_numpy(random.normal(size=(count, CANDIDATES)))
        gains = self.process.sample(torch.from_numpy(constants), budget, noise)
        best = gains.argmax(1)
        best[0] = 0  # one child gets a random constant, in case the process is wrong
        suggested: np.ndarray = constants[best.numpy()]
        return suggested

    def tell(self, magnitudes: np.ndarray, scores: np.ndarray, budget: float) -> None:
        """Adds scores (n,) of children that share task and seed; see `GaussianProcess.tell`."""
        self.process.tell(torch.from_numpy(magnitudes), torch.from_numpy(scores), budget)
        self.history.append(
            {"magnitudes": magnitudes.tolist(), "scores": scores.tolist(), "budget": budget}
        )

    def replay(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Continues from the `history` of another screening with the same seed."""
        for group in history:
            self.tell(np.array(group["magnitudes"]), np.array(group["scores"]), group["budget"])
        if history:
            self.process.fit(SHORT_LENGTH)
        self._asked = len(self.history)

    def controller(self, row: np.ndarray) -> Controller:
        """The controller of a child for which `ask` suggests `row`, (n_ops,)."""
        return Constant(row.tolist())

    def _draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Random rows to suggest: constants (count, n_ops)."""
        return self._draw_constants(count, self.process.magnitudes.shape[1], random)

    def _draw_constants(self, count: int, n_ops: int, random: np.random.Generator) -> np.ndarray:
        """Random constants (count, n_ops)."""
        shape = (count, n_ops)
        probability = random.uniform(0.1, 0.9, (count, 1))
        on = random.uniform(size=shape) < probability
        octaves = random.uniform(-OCTAVES, OCTAVES, shape)
        constants: np.ndarray = (on * self._magnitude * 2**octaves).clip(max=1)
        return constants

    @one_thread()
    def initialise(self, network: PolicyNetwork, *, before_ppo: bool = False) -> None:
        """Sets a policy's biases and gates to those of the highest lower confidence bound.

        Adam maximises the bound, in the mean over the budgets that were tried. It starts from all
        ops on at the magnitude of the screening, once with gates that are equally open at all
        budgets and once with gates that open with the budget. Magnitudes stay within those tried.

        Args:
            network: the policy network to initialise.
            before_ppo: whether PPO will train the policy; see the module on what this changes.
        """
        self.process.fit(SHORT_LENGTH)
        short = before_ppo and self.process.r_squared > 0
        if not short:
            self.process.fit()
        caution = CAUTION_SHORT_LENGTH if short else CAUTION
        found = [self._maximise(len(network.op_bias), slope, caution) for slope in SLOPES]
        _, bias, gate = max(found, key=lambda result: result[0])
        with torch.no_grad():
            network.op_bias.copy_(bias)
            network.gate.copy_(gate)

    def _maximise(
        self, n_ops: int, first_slope: float, caution: float
    ) -> tuple[float, Tensor, Tensor]:
        """Maximises the bound, from a first slope of the gates; returns bound, biases and gates."""
        budgets = self.process.budgets.unique()
        mean, strongest = budgets.mean(), min(self._magnitude * 2**OCTAVES, STRONGEST)
        bias, opened, slope = (
            torch.full((n_ops,), value, dtype=torch.float64, requires_grad=True)
            for value in (to_latent(self._magnitude) - START, OPEN, first_slope)
        )
        optimizer = torch.optim.Adam([bias, opened, slope], lr=ADAM_LEARNING_RATE)
        bound = torch.zeros(())

        def gate() -> Tensor:
            return torch.stack([opened - slope * mean, slope], 1)

        for _ in range(ADAM_STEPS):
            magnitudes = to_magnitudes(torch.tanh(levels(bias, gate(), budgets)))
            means, deviations = self.process.gain(magnitudes, budgets)
            bound = (means - caution * deviations).mean()
            optimizer.zero_grad()
            (-bound).backward()
            optimizer.step()
            with torch.no_grad():
                bias.clamp_(max=to_latent(strongest) - START)
                slope.clamp_(min=0)
        return bound.item(), bias.detach(), gate().detach()

    def op_effects(self, network: PolicyNetwork) -> list[dict[str, list[float]]]:
        """Predicts what each op of an initialised policy adds, at three of the budgets tried.

        Returns:
            For each op `magnitudes` and `effects`, at the lowest, the middle and the highest
            budget. An effect is the predicted gain of all ops less that without this op; an op that
            is off counts at the magnitude of the screening.
        """
        budgets = self.process.budgets.quantile(
            torch.tensor([0, 0.5, 1], dtype=torch.float64), interpolation="nearest"
        )
        rows = []
        with torch.no_grad():
            bias, gate = network.op_bias.double(), network.gate.double()
            chosen = to_magnitudes(torch.tanh(levels(bias, gate, budgets)))
            for op in range(len(bias)):
                on, off = chosen.clone(), chosen.clone()
                off[:, op] = 0
                on[:, op] = torch.where(chosen[:, op] > 0, chosen[:, op], self._magnitude)
                (gain_on, _), (gain_off, _) = (self.process.gain(m, budgets) for m in (on, off))
                effects = (gain_on - gain_off).tolist()
                rows.append({"magnitudes": chosen[:, op].tolist(), "effects": effects})
        return rows


def screen(
    screening: Screening,
    ops: Sequence[str | Op],
    objective: Objective,
    rounds: int,
    pool: Pool,
    *,
    groups: int = 1,
    group_size: int = 6,
) -> Iterator[None]:
    """Trains children under the constants that a screening suggests.

    The process is fitted again after each round.

    Args:
        screening: suggests the constants; one with a history continues after its last round.
        ops: the ops.
        objective: draws tasks and seeds and scores the children.
        rounds: number of rounds, those in the history included.
        pool: trains the children.
        groups: groups of children in a round, each with a task and a seed of its own.
        group_size: children in a group.

    Yields:
        None after each round.
    """
    for first in range(len(screening.history), rounds * groups, groups):
        trials = range(first, first + groups)
        budgets = [log_epochs(objective.draw(trial)[0].epochs) for trial in trials]
        suggested = [screening.ask(group_size, budget) for budget in budgets]
        jobs = [
            job
            for trial, constants in zip(trials, suggested, strict=True)
            for row in constants
            for job in objective.jobs(
                Arm("screening", tuple(ops), screening.controller(row)), [trial]
            )
        ]
        scores = np.array([objective.score(record) for record in pool.run(jobs, "", quiet=True)])
        for group in zip(suggested, scores.reshape(groups, group_size), budgets, strict=True):
            screening.tell(*group)
        screening.process.fit(SHORT_LENGTH)
        yield
