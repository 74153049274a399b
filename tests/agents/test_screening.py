import numpy as np
import pytest
import torch

from adaptaug.observation import observation_size
from adaptaug.policy import PolicyNetwork, to_actions
from agents.screening import BARELY_OPEN, Screening

EFFECTS = np.array([0.3, 0.1, 0.05, -0.2, -0.4])


def screened(rounds: int, seed: int = 0, slope: float = 0.0) -> Screening:
    """Groups of six whose members share luck and budget, noise as large as the third effect."""
    random = np.random.default_rng(seed)
    screening = Screening(len(EFFECTS), random)
    for _ in range(rounds):
        on, budget = screening.ask(6), random.normal()
        luck, noise = random.normal(), random.normal(0, 0.1, 6)
        screening.tell(on, on @ (EFFECTS + slope * (budget - 1)) + luck + noise, budget)
    return screening


def test_effects_are_found_despite_luck_and_noise() -> None:
    screening = screened(30)
    assert np.abs(screening.effects - EFFECTS).max() < 0.1
    assert (screening.helps > 0.5).tolist() == [True, True, True, False, False]


def test_the_effect_is_read_in_long_runs() -> None:
    """One standard deviation above the mean budget, where the effects are EFFECTS."""
    assert np.abs(screened(60, slope=0.3).effects - EFFECTS).max() < 0.15


def test_what_slopes_have_in_common_is_found_sooner_if_it_is_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twelve groups and as much noise as an effect: too few for eleven slopes of their own."""

    def error(slopes: tuple[float, float], seed: int) -> float:
        random = np.random.default_rng(seed)
        monkeypatch.setattr("agents.screening.SLOPES", slopes)
        levels, screening = random.normal(0, 0.1, 11), Screening(11, random)
        for _ in range(12):
            on, budget = screening.ask(6), random.normal()
            effects = levels + 0.15 * budget
            screening.tell(on, on @ effects + random.normal(0, 0.2, 6), budget)
        return float(np.abs(screening.lines - np.column_stack([levels, np.full(11, 0.15)])).mean())

    errors = [[error(slopes, seed) for seed in range(20)] for slopes in ((0.3, 0.0), (0.1, 0.3))]
    assert np.mean(errors[1]) < 0.85 * np.mean(errors[0])


def test_gates_open_where_an_op_helps_and_close_where_it_harms() -> None:
    """With a slope of 0.3, the first op helps from budget 0 on, the last from 2 1/3 on."""
    gates = screened(60, slope=0.3).gates

    def opened(budget: float) -> np.ndarray:
        return (gates @ [1, budget]).clip(0, 1)

    assert opened(-1.0).tolist() == [0, 0, 0, 0, 0]
    assert opened(1.0).tolist() == [1, 1, 1, 0, 0]
    assert opened(3.5).tolist() == [1, 1, 1, 1, 1]


def test_a_gate_opens_the_further_the_better_an_effect_is_known() -> None:
    screening = Screening(2, np.random.default_rng(0))
    assert screening.gates.tolist() == [[BARELY_OPEN, 0.0]] * 2
    screening.deviations = np.array([0.1, 0.2])
    screening.lines = np.array([[-0.1, 0.0], [0.0, -0.1]])
    assert screening.gates.tolist() == [[BARELY_OPEN - 1, 0.0], [BARELY_OPEN, -0.5]]


@pytest.mark.parametrize("magnitude", [0.3, 0.5])
def test_magnitudes_leave_0_where_a_gate_is_barely_open(magnitude: float) -> None:
    network = PolicyNetwork(2)
    bias = np.arctanh(to_actions(np.full(2, magnitude))) - network.start
    with torch.no_grad():
        network.op_bias.copy_(torch.from_numpy(bias))
        network.gate[:, 0] = torch.tensor([BARELY_OPEN - 0.1, BARELY_OPEN + 0.1])
    closed, opened = network.magnitudes(np.zeros(observation_size(2), np.float32))
    assert closed == 0 < opened


def test_on_noise_alone_doses_mostly_stay() -> None:
    doses = []
    for seed in range(50):
        random = np.random.default_rng(seed)
        screening = Screening(4, random, octaves=1.0)
        for _ in range(20):
            screening.tell(screening.ask(6), random.normal(size=6), random.normal())
        doses.append(np.abs(np.log2(screening.doses)))
    assert np.mean(doses) < 0.5


def test_an_op_starts_from_the_dose_that_helps_in_long_runs() -> None:
    """The first op wants to be strong there, the second weak, the third does not care."""
    random = np.random.default_rng(0)
    screening, doubling = Screening(3, random, octaves=1.0), np.array([0.2, -0.2, 0.0])
    assert screening.doses.tolist() == [1.0] * 3
    for _ in range(30):
        doses, budget = screening.ask(6), random.normal()
        assert ((doses == 0) | ((doses >= 0.5) & (doses <= 2))).all()
        doubled = np.log2(np.where(doses > 0, doses, 1))
        effects = (doses > 0).sum(1) * 0.2 + doubled @ doubling * budget
        screening.tell(doses, effects + random.normal(0, 0.1, 6), budget)
    assert screening.doses[:2].tolist() == [2.0, 0.5]
    assert 0.5 <= screening.doses[2] <= 2.0
    assert np.abs(screening.effects - [0.4, 0.4, 0.2]).max() < 0.1
    expected = [[0.2, 0.2], [0.2, 0.2], [0.2, 0.0]]
    assert np.abs(screening.lines - expected).max() < 0.1


def test_what_harms_is_tried_less_often() -> None:
    screening = screened(30)
    assert screening.ask(1000).mean(0)[4] < 0.2 < 0.8 < screening.ask(1000).mean(0)[0]


def test_the_same_seed_asks_the_same() -> None:
    assert np.array_equal(screened(5).ask(4), screened(5).ask(4))
