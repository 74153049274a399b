"""The clock for measuring how long work takes, on a CPU or a GPU."""

import time

import torch


def clock(device: torch.device | str) -> float:
    """Seconds: this process's processor time on a CPU, synchronised elapsed time on a GPU."""
    device = torch.device(device)
    if device.type == "cpu":
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
