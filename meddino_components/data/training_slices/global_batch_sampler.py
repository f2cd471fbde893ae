"""Assign samples to processes as a pure function of the iteration."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

from ...errors import InputError
from ...processes import rank_and_size


class GlobalBatchSampler(Sampler[list[int]]):
    """Number the samples of a run: iteration i uses samples i * G to (i + 1) * G - 1 for a global batch of G.

    Process r of n gets its contiguous share of each global batch, so n processes with batch B see the same samples as
    one process with n * B. The stream is unbounded and can start anywhere, which makes resuming exact.

    Args:
        batch_size: number of samples per process and forward pass.
        accumulation_steps: number of forward passes per iteration; a loader's batch has the samples of all of them.
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
