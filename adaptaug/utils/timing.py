"""The time that work takes, on whatever device it is done."""

import time

import torch


def clock(device: torch.device | str) -> float:
    """Seconds of this process's processor time; elapsed time where a GPU does the work."""
    device = torch.device(device)
    if device.type == "cpu":
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
