"""Which samples each process sees, as a pure function of the iteration."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

from ...errors import InputError
from ...processes import rank_and_size


class GlobalBatchSampler(Sampler[list[int]]):
    """Numbers the samples of a run: iteration i takes i * G to (i + 1) * G - 1 for a global batch of G.

    Process r of n takes its contiguous share of each global batch, so that n processes with batch B see the samples
    that one process sees with n * B. The stream is unbounded and starts anywhere, which makes resuming exact.

    Args:
        batch_size: samples a process and forward pass.
        accumulation_steps: forward passes an iteration; the batch that a loader makes has the samples of all of them.
    """

    def __init__(self, *, batch_size: int, accumulation_steps: int = 1) -> None:
        for name, value in (("batch_size", batch_size), ("accumulation_steps", accumulation_steps)):
            if value < 1:
                raise InputError(f"{name} is {value}; expected at least 1")
        self.batch_size = batch_size * accumulation_steps
        self.start_iteration = 0

    def __iter__(self) -> Iterator[list[int]]:
        rank, n_ranks = rank_and_size()
        iteration = self.start_iteration
        while True:
            first = (iteration * n_ranks + rank) * self.batch_size
            yield list(range(first, first + self.batch_size))
            iteration += 1
