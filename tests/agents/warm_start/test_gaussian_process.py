"""The Gaussian process, against hand computation and on known functions."""

import math

import pytest
import torch

from agents.warm_start.gaussian_process import SCALES, SHORT_LENGTH, GaussianProcess

N_OPS = 3


def drawn(count: int, generator: torch.Generator) -> torch.Tensor:
    """Random magnitudes (count, N_OPS), about half of the ops off."""
    on = torch.rand(count, N_OPS, generator=generator, dtype=torch.float64) < 0.5
    return on * torch.rand(count, N_OPS, generator=generator, dtype=torch.float64)


def budgets(count: int, generator: torch.Generator) -> torch.Tensor:
    """Random budgets (count,) in [0.5, 2]."""
    return 0.5 + 1.5 * torch.rand(count, generator=generator, dtype=torch.float64)


def truth(magnitudes: torch.Tensor, epochs: torch.Tensor) -> torch.Tensor:
    """Gains: the first op is best at 0.5 and gains more in longer runs; the third harms."""
    first, _, third = magnitudes.unbind(1)
    return first * (1 - first) * 2 * epochs - third


def fitted(groups: int, noise: float, seed: int = 0) -> GaussianProcess:
    """A process fitted to groups of six at random budgets, each with an offset of its own."""
    generator = torch.Generator().manual_seed(seed)

    def normal(count: int) -> torch.Tensor:
        return torch.randn(count, generator=generator, dtype=torch.float64)

    process = GaussianProcess(N_OPS)
    for _ in range(groups):
        magnitudes, budget = drawn(6, generator), budgets(1, generator)
        scores = truth(magnitudes, budget.expand(6)) + normal(1) + noise * normal(6)
        process.tell(magnitudes, scores, float(budget))
    process.fit()
    return process


def points(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    return drawn(count, generator), budgets(count, generator)


def test_error_falls_with_data_despite_offsets_and_noise() -> None:
    magnitudes, epochs = points()
    wanted = truth(magnitudes, epochs)
    few, many = (
        (fitted(groups, 0.1).gain(magnitudes, epochs)[0] - wanted).square().mean().sqrt()
        for groups in (5, 40)
    )
    assert many < 0.12 < wanted.std() / 2
    assert many < few


def test_r_squared_is_near_1_without_noise_and_negative_on_noise() -> None:
    assert fitted(40, 0.01).r_squared > 0.95
    noise = fitted(40, 30.0)
    noise.fit(SHORT_LENGTH)
    assert noise.r_squared < 0


def test_errors_are_as_large_as_the_posterior_deviations() -> None:
    magnitudes, epochs = points()
    expected, deviations = fitted(10, 0.1).gain(magnitudes, epochs)
    errors = (expected - truth(magnitudes, epochs)) / deviations
    assert 0.5 < errors.square().mean().sqrt() < 1.5


def test_gain_is_0_with_certainty_where_all_ops_are_off() -> None:
    expected, deviations = fitted(5, 0.1).gain(
        torch.zeros(4, N_OPS, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    )
    assert expected.abs().max() < 1e-9
    assert deviations.max() < 1e-3


def test_prior_variance_matches_hand_computation() -> None:
    """For one op alone at magnitude l."""
    process = GaussianProcess(N_OPS)
    process.fit()
    amplitude, length = process.amplitude, process.length
    magnitudes = torch.tensor([[length, 0.0, 0.0]], dtype=torch.float64)
    expected, deviation = process.gain(magnitudes, torch.ones(1, dtype=torch.float64))
    assert expected.tolist() == [0]
    assert float(deviation) == pytest.approx(amplitude * math.sqrt(2 - 2 * math.exp(-0.5)))


def test_prediction_returns_to_the_prior_at_far_budgets() -> None:
    magnitudes = torch.tensor([[0.5, 0.0, 0.0]], dtype=torch.float64)
    process = fitted(40, 0.1)
    near, far = (
        process.gain(magnitudes, torch.full((1,), budget, dtype=torch.float64))
        for budget in (1.5, 8.0)
    )
    assert near[1] < 0.3 * far[1]
    assert abs(float(far[0])) < 0.01 < float(near[0])


def test_samples_have_the_posterior_mean_and_deviation() -> None:
    process, (magnitudes, _) = fitted(5, 0.1), points(20)
    expected, deviations = process.gain(magnitudes, torch.ones(20, dtype=torch.float64))
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(4000, 20, generator=generator, dtype=torch.float64)
    draws = process.sample(magnitudes, 1.0, noise)
    assert draws.shape == (4000, 20)
    assert (draws.mean(0) - expected).abs().max() < 0.05
    assert (draws.std(0) - deviations).abs().max() < 0.05


def test_amplitude_scales_with_the_scores() -> None:
    small, large = GaussianProcess(N_OPS), fitted(20, 0.1)
    for start in range(0, 120, 6):
        group = slice(start, start + 6)
        small.tell(
            large.magnitudes[group], 0.01 * large._scores[group], float(large.budgets[start])
        )
    small.fit()
    assert small.amplitude == pytest.approx(0.01 * large.amplitude)
    assert small.length == large.length


def test_noise_that_grows_with_the_budget_is_not_fitted() -> None:
    """The marginal likelihood would fit it with short length scales."""
    generator, process = torch.Generator().manual_seed(3), GaussianProcess(N_OPS)
    for budget in budgets(40, generator).tolist():
        magnitudes = drawn(6, generator)
        noise = torch.randn(6, generator=generator, dtype=torch.float64)
        scores = 0.3 * truth(magnitudes, torch.full((6,), budget)) + 0.2 * (budget - 0.5) * noise
        process.tell(magnitudes, scores, budget)
    process.fit()
    magnitudes, epochs = points()
    wanted = 0.3 * truth(magnitudes, epochs)
    wrong = process.gain(magnitudes, epochs)[0] - wanted
    assert wrong.square().mean() < 0.5 * wanted.square().mean()


def test_gains_that_change_sign_within_two_doublings_get_the_shortest_scale() -> None:
    generator, process = torch.Generator().manual_seed(4), GaussianProcess(N_OPS)
    for budget in budgets(40, generator).tolist():
        magnitudes = drawn(6, generator)
        scores = magnitudes[:, 0] * math.sin(6 * budget)
        scores = scores + 0.05 * torch.randn(6, generator=generator, dtype=torch.float64)
        process.tell(magnitudes, scores, budget)
    process.fit()
    assert process.scale == min(SCALES)
