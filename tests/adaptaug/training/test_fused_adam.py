"""Adam without the bookkeeping equals torch's bit for bit."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptaug.training.fused_adam import FusedAdam


def trained(optimizer_of: type[torch.optim.Adam], **kwargs: Any) -> tuple[list[Tensor], Any]:
    """Weights and optimizer state after 20 steps; the middle layer is left out of every third."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 7), nn.Linear(7, 3))
        inputs = torch.randn(20, 4, 5)
    optimizer = optimizer_of(model.parameters(), **kwargs)
    for step, batch in enumerate(inputs):
        rate = 0.1 / (step + 1)
        hidden = model[1](model[0](batch))
        loss = model[3](hidden if step % 3 == 0 else model[2](hidden)).square().mean()
        if isinstance(optimizer, FusedAdam):
            loss.backward()
            optimizer.update(rate)
        else:
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
    return list(model.parameters()), optimizer.state_dict()["state"]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("decoupled", [False, True])
def test_weights_and_moments_equal_torchs_bit_for_bit(weight_decay: float, decoupled: bool) -> None:
    kwargs = {"weight_decay": weight_decay, "decoupled_weight_decay": decoupled}
    ours, our_state = trained(FusedAdam, **kwargs)
    theirs, their_state = trained(torch.optim.Adam, fused=True, **kwargs)
    assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))
    assert our_state.keys() == their_state.keys()
    for index, state in our_state.items():
        assert state.keys() == their_state[index].keys()
        assert all(torch.equal(state[name], their_state[index][name]) for name in state)


def test_gradients_are_dropped_so_that_the_next_step_starts_anew() -> None:
    layer = nn.Linear(2, 1)
    optimizer = FusedAdam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.update(0.1)
    assert layer.weight.grad is None
