"""Which samples each process sees, as a pure function of the iteration."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

from ..processes import rank_and_size


class GlobalBatchSampler(Sampler[list[int]]):
    """Numbers the samples of a run: iteration i takes i * G to (i + 1) * G - 1 for a global batch of G.

    Process r of n takes its contiguous share of each global batch, so that n processes with batch B see the samples
    that one process sees with n * B. The stream is unbounded and starts anywhere, which makes resuming exact.

    Args:
        batch_size: samples a process and iteration.
    """

    def __init__(self, *, batch_size: int) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size = batch_size
        self.start_iteration = 0

    def __iter__(self) -> Iterator[list[int]]:
        rank, n_ranks = rank_and_size()
        iteration = self.start_iteration
        while True:
            first = (iteration * n_ranks + rank) * self.batch_size
            yield list(range(first, first + self.batch_size))
            iteration += 1
