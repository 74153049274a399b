"""The Gaussian process, against what it must know by hand and against functions that it is told."""

import math

import pytest
import torch

from agents.warm_start.gaussian_process import ROUGH, SCALES, Surrogate

N_OPS = 3


def drawn(count: int, generator: torch.Generator) -> torch.Tensor:
    """Random magnitudes (count, N_OPS), about half of the ops off."""
    on = torch.rand(count, N_OPS, generator=generator, dtype=torch.float64) < 0.5
    return on * torch.rand(count, N_OPS, generator=generator, dtype=torch.float64)


def budgets(count: int, generator: torch.Generator) -> torch.Tensor:
    """Between 0.5 and 2, (count,)."""
    return 0.5 + 1.5 * torch.rand(count, generator=generator, dtype=torch.float64)


def truth(magnitudes: torch.Tensor, passes: torch.Tensor) -> torch.Tensor:
    """The first op helps up to a half, the more the longer the run; the third harms."""
    first, _, third = magnitudes.unbind(1)
    return first * (1 - first) * 2 * passes - third


def told(groups: int, noise: float, seed: int = 0) -> Surrogate:
    """Groups of six at budgets in [0.5, 2], each with luck of its own."""
    generator = torch.Generator().manual_seed(seed)

    def normal(count: int) -> torch.Tensor:
        return torch.randn(count, generator=generator, dtype=torch.float64)

    surrogate = Surrogate(N_OPS)
    for _ in range(groups):
        magnitudes, budget = drawn(6, generator), budgets(1, generator)
        scores = truth(magnitudes, budget.expand(6)) + normal(1) + noise * normal(6)
        surrogate.tell(magnitudes, scores, float(budget))
    surrogate.fit()
    return surrogate


def some(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    return drawn(count, generator), budgets(count, generator)


def test_gains_are_found_despite_luck_and_noise() -> None:
    magnitudes, passes = some()
    wanted = truth(magnitudes, passes)
    few, many = (
        (told(groups, 0.1).gain(magnitudes, passes)[0] - wanted).square().mean().sqrt()
        for groups in (5, 40)
    )
    assert many < 0.12 < wanted.std() / 2
    assert many < few


def test_it_says_how_much_of_the_differences_it_foretells() -> None:
    """All but noise where there is nearly none; of noise alone less than nothing."""
    assert told(40, 0.01).foretold > 0.95
    noise = told(40, 30.0)
    noise.fit(ROUGH)
    assert noise.foretold < 0


def test_what_is_said_to_be_uncertain_is_as_wrong_as_it_says() -> None:
    magnitudes, passes = some()
    expected, deviations = told(10, 0.1).gain(magnitudes, passes)
    errors = (expected - truth(magnitudes, passes)) / deviations
    assert 0.5 < errors.square().mean().sqrt() < 1.5


def test_nothing_is_gained_without_ops_and_that_is_certain() -> None:
    expected, deviations = told(5, 0.1).gain(
        torch.zeros(4, N_OPS, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    )
    assert expected.abs().max() < 1e-9
    assert deviations.max() < 1e-3


def test_before_it_was_told_anything_the_prior_speaks() -> None:
    """A Gaussian's covariance, worked out by hand for one op alone at the length l."""
    surrogate = Surrogate(N_OPS)
    surrogate.fit()
    amplitude, length = surrogate._amplitude, surrogate._length
    magnitudes = torch.tensor([[length, 0.0, 0.0]], dtype=torch.float64)
    expected, deviation = surrogate.gain(magnitudes, torch.ones(1, dtype=torch.float64))
    assert expected.tolist() == [0]
    assert float(deviation) == pytest.approx(amplitude * math.sqrt(2 - 2 * math.exp(-0.5)))


def test_far_budgets_are_not_spoken_for() -> None:
    magnitudes = torch.tensor([[0.5, 0.0, 0.0]], dtype=torch.float64)
    surrogate = told(40, 0.1)
    near, far = (
        surrogate.gain(magnitudes, torch.full((1,), budget, dtype=torch.float64))
        for budget in (1.5, 8.0)
    )
    assert near[1] < 0.3 * far[1]
    assert abs(float(far[0])) < 0.01 < float(near[0])


def test_draws_scatter_as_the_deviations_say() -> None:
    surrogate, (magnitudes, _) = told(5, 0.1), some(20)
    expected, deviations = surrogate.gain(magnitudes, torch.ones(20, dtype=torch.float64))
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(4000, 20, generator=generator, dtype=torch.float64)
    draws = surrogate.sample(magnitudes, 1.0, noise)
    assert draws.shape == (4000, 20)
    assert (draws.mean(0) - expected).abs().max() < 0.05
    assert (draws.std(0) - deviations).abs().max() < 0.05


def test_the_hyperparameters_follow_the_data() -> None:
    """Gains a hundred times smaller ask for a smaller amplitude."""
    small, large = Surrogate(N_OPS), told(20, 0.1)
    for start in range(0, 120, 6):
        group = slice(start, start + 6)
        small.tell(
            large.magnitudes[group], 0.01 * large._scores[group], float(large.budgets[start])
        )
    small.fit()
    assert small._amplitude == pytest.approx(0.01 * large._amplitude)
    assert small._length == large._length


def test_noise_that_differs_between_budgets_is_not_taken_for_a_rough_surface() -> None:
    """As children of a few hundred sentences differ more than those of thousands."""
    generator, surrogate = torch.Generator().manual_seed(3), Surrogate(N_OPS)
    for budget in budgets(40, generator).tolist():
        magnitudes = drawn(6, generator)
        noise = torch.randn(6, generator=generator, dtype=torch.float64)
        scores = 0.3 * truth(magnitudes, torch.full((6,), budget)) + 0.2 * (budget - 0.5) * noise
        surrogate.tell(magnitudes, scores, budget)
    surrogate.fit()
    magnitudes, passes = some()
    wanted = 0.3 * truth(magnitudes, passes)
    wrong = surrogate.gain(magnitudes, passes)[0] - wanted
    assert wrong.square().mean() < 0.5 * wanted.square().mean()


def test_gains_that_turn_within_two_doublings_are_told_apart() -> None:
    generator, surrogate = torch.Generator().manual_seed(4), Surrogate(N_OPS)
    for budget in budgets(40, generator).tolist():
        magnitudes = drawn(6, generator)
        scores = magnitudes[:, 0] * math.sin(6 * budget)
        scores = scores + 0.05 * torch.randn(6, generator=generator, dtype=torch.float64)
        surrogate.tell(magnitudes, scores, budget)
    surrogate.fit()
    assert surrogate._scale == min(SCALES)
