"""This process among those of a run."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist

# torch imports it somewhere: before there is a group, for default arguments of its functions would hold it to the end
import torch.distributed.nn.functional
from torch import Tensor

from .errors import InputError

Result = TypeVar("Result")


def rank_and_size() -> tuple[int, int]:
    """Number of this process and how many there are; (0, 1) without torch.distributed.

    ignite's `get_rank` is a collective operation at its first call: one process that asks alone waits for ever.
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def join_processes() -> None:
    """Begin this process' part in the group that torchrun started: NCCL on the GPU of its local rank, else Gloo.

    The group's threads end before the interpreter does. Gloo's release tensors, for which they need Python's lock; a
    process that is ending by then is aborted (SIGABRT), and the whole run counts as failed.
    """
    on_gpu = torch.cuda.is_available()
    dist.init_process_group(backend="nccl" if on_gpu else "gloo")
    if on_gpu:
        torch.cuda.set_device(dist.get_node_local_rank())
    assert dist.group.WORLD is not None
    atexit.register(_end_threads, [dist.group.WORLD])


def loader_processes(most: int = 12) -> int:
    """How many processes may make samples for this one: the processors that are left to it, but one.

    Args:
        most: nnU-Net's number, which keeps a GPU of a data centre busy.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    on_this_machine = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return max(1, min(most, usable // on_this_machine - 1))


def _end_threads(last_reference: list[dist.ProcessGroup]) -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
    # networks under DDP hold the group, and are in cycles; the reference of Python that goes last waits for the
    # threads without Python's lock
    gc.collect()
    last_reference.clear()


def reduce_over_processes(values: Tensor, operation: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> Tensor:
    """The sum (or another reduction) of all processes' values, in place, without gradient; every process calls it."""
    if rank_and_size()[1] > 1:
        dist.all_reduce(values, operation)
    return values


def gathered(value: Any) -> list[Any]:
    """What each process gives, in their order; every process calls it."""
    _, n_ranks = rank_and_size()
    values: list[Any] = [value]
    if n_ranks > 1:
        values = [None] * n_ranks
        dist.all_gather_object(values, value)
    return values


def first_process_decides(decide: Callable[[], Result]) -> Result:
    """What ``decide`` gives in the first process, or the `InputError` that it raises there, in every process.

    For what a process asks of a file system that the others may not share. Every process calls it.
    """
    rank, n_ranks = rank_and_size()
    decision: list[Any] = [None, None]
    if rank == 0:
        try:
            decision[0] = decide()
        except InputError as error:
            decision[1] = str(error)
    if n_ranks > 1:
        dist.broadcast_object_list(decision)
    result, problem = decision
    if problem is not None:
        raise InputError(problem)
    return result


def on_all_processes(do: Callable[[], Result]) -> Result:
    """What ``do`` gives in this process; an `InputError` of one process is raised in all, so that none waits for it."""
    result, problem = None, None
    try:
        result = do()
    except InputError as error:
        problem = str(error)
    if problems := [each for each in gathered(problem) if each is not None]:
        raise InputError(problems[0])
    return result  # type: ignore[return-value]
