"""Private random state for library code that draws from torch's global generator; one thread."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class RandomStream:
    """A private random stream for code that draws from torch's global generator.

    Weight initialisation and dropout draw from the global generator. Within `active` they draw from
    this stream instead; afterwards the global state is as before.
    """

    def __init__(self, seed: int, device: torch.device | None = None) -> None:
        """Seeds the stream, which includes the generator of `device` if that is a CUDA device."""
        self._device = device if device is not None and device.type == "cuda" else None
        # torch.manual_seed would seed the generators of all devices.
        places = [torch.device("cpu"), *self._devices()]
        self._states = [torch.Generator(place).manual_seed(seed).get_state() for place in places]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Draws of the global generator come from this stream within the block."""
        outer = self._read()
        self._write(self._states)
        try:
            yield
        finally:
            self._states = self._read()
            self._write(outer)

    def _devices(self) -> list[torch.device]:
        return [] if self._device is None else [self._device]

    def _read(self) -> list[torch.Tensor]:
        cuda = [torch.cuda.get_rng_state(device) for device in self._devices()]
        return [torch.get_rng_state(), *cuda]

    def _write(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        for device, state in zip(self._devices(), states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one thread within the block, so that sums have the same order everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
