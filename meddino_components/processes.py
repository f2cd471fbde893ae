"""This process among those of a run."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def rank_and_size() -> tuple[int, int]:
    """Number of this process and how many there are; (0, 1) without torch.distributed.

    ignite's `get_rank` is a collective operation at its first call: one process that asks alone waits for ever.
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def reduce_over_processes(values: Tensor, operation: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> Tensor:
    """The sum (or another reduction) of all processes' values, in place, without gradient; every process calls it."""
    if rank_and_size()[1] > 1:
        dist.all_reduce(values, operation)
    return values
