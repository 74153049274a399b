"""Private random streams: they draw what the global generator would, and leave it unchanged."""

import pytest
import torch

from adaptaug.utils.seeding import RandomStream, one_thread


def draws(stream: RandomStream, count: int = 3) -> list[float]:
    with stream.active():
        return torch.rand(count).tolist()


def test_stream_draws_what_the_seeded_global_generator_would() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        expected = torch.rand(6).tolist()
    stream = RandomStream(7)
    assert draws(stream) + draws(stream) == expected


def test_streams_are_independent() -> None:
    alone = [draws(stream) for stream in [RandomStream(0)] for _ in range(3)]
    first, second = RandomStream(0), RandomStream(1)
    together = []
    for _ in range(3):
        together.append(draws(first))
        draws(second, 17)
        torch.rand(5)
    assert together == alone


def test_global_state_is_unchanged_also_after_an_error() -> None:
    before = torch.get_rng_state()
    stream = RandomStream(0)
    assert torch.equal(torch.get_rng_state(), before)
    draws(stream)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ZeroDivisionError), stream.active():
        raise ZeroDivisionError(torch.rand(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_torch_has_one_thread_only_within_the_block() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError, match=r"^1$"), one_thread():
        raise ZeroDivisionError(torch.get_num_threads())
    assert torch.get_num_threads() == threads
