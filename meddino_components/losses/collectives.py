"""Sums and parts of all processes through which gradients flow.

torch's own, in ``torch.distributed.nn.functional``, are deprecated from 2.13 on, and what shall replace them is private
to torch. Averaged over processes, as DDP does, gradients are those of one process with the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def sum_of_all(own: Tensor) -> Tensor:
    """The sum of all processes' values; every process calls it, and its gradients are summed, too."""
    total: Tensor = _Sum.apply(own)
    return total


def parts_of_all(own: Tensor, group: dist.ProcessGroup | None = None) -> tuple[Tensor, ...]:
    """Each process' values of one shape, in the order of ranks; its own get the gradients of every process.

    Args:
        own: values of this process.
        group: the processes that take part; None is all of them.
    """
    parts: tuple[Tensor, ...] = _Parts.apply(own, group)
    return parts


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        return _summed(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _summed(gradient)


class _Parts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, group: dist.ProcessGroup | None) -> tuple[Tensor, ...]:
        ctx.group = group
        own = own.contiguous()
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, own, group=group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _summed(torch.stack(gradients), ctx.group)[dist.get_rank(ctx.group)], None


def _summed(own: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    total = own.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total, group=group)
    return total
