"""Sum and gather values of all processes with gradients.

torch's own functions in ``torch.distributed.nn.functional`` are deprecated since 2.13, and their replacements are
private. Averaged over processes, as DDP does, gradients equal those of one process with the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def sum_of_all(own: Tensor) -> Tensor:
    """Return the sum of all processes' values. Every process must call it; gradients are summed, too."""
    total: Tensor = _Sum.apply(own)
    return total


def parts_of_all(own: Tensor, group: dist.ProcessGroup | None = None) -> tuple[Tensor, ...]:
    """Gather values of equal shape from all processes, by rank; own values get the gradients of every process.

    Args:
        own: values of this process.
        group: processes that take part; None means all.
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
