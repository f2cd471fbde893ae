"""Coordinate this process with the other processes of a run."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist

# torch imports this at some point; import it before a group exists, as default arguments of its functions would
# otherwise keep the group alive to the end
import torch.distributed.nn.functional
from torch import Tensor

from .errors import InputError

Result = TypeVar("Result")


def rank_and_size() -> tuple[int, int]:
    """Return the number of this process and the number of processes; (0, 1) without torch.distributed.

    ignite's `get_rank` is a collective operation at its first call: a process that calls it alone would wait forever.
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def join_processes() -> None:
    """Join the group that torchrun started: NCCL on the GPU of this process's local rank, else Gloo.

    The group's threads end before the interpreter does. Gloo's threads release tensors, for which they need Python's
    lock; if the process is already exiting, it is aborted (SIGABRT), and the whole run counts as failed.
    """
    on_gpu = torch.cuda.is_available()
    dist.init_process_group(backend="nccl" if on_gpu else "gloo")
    if on_gpu:
        torch.cuda.set_device(dist.get_node_local_rank())
    assert dist.group.WORLD is not None
    atexit.register(_end_threads, [dist.group.WORLD])


def loader_processes(most: int = 12) -> int:
    """Return how many processes may make samples for this one: its share of the processors, minus one.

    Args:
        most: largest number of processes; nnU-Net's default, which keeps a data centre GPU busy.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    on_this_machine = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return max(1, min(most, usable // on_this_machine - 1))


def _end_threads(last_reference: list[dist.ProcessGroup]) -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
    # networks in DDP refer to the group and are part of reference cycles; releasing the last reference waits for the
    # threads without Python's lock
    gc.collect()
    last_reference.clear()


def reduce_over_processes(values: Tensor, operation: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> Tensor:
    """Reduce the values of all processes (by default sum), in place, without gradient; every process must call this."""
    if rank_and_size()[1] > 1:
        dist.all_reduce(values, operation)
    return values


def gathered(value: Any) -> list[Any]:
    """Return the values of all processes, in their order; every process must call this."""
    _, n_ranks = rank_and_size()
    values: list[Any] = [value]
    if n_ranks > 1:
        values = [None] * n_ranks
        dist.all_gather_object(values, value)
    return values


def first_process_decides(decide: Callable[[], Result]) -> Result:
    """Call ``decide`` in the first process; return its result, or raise its `InputError`, in every process.

    This is for queries to a file system that other processes may not share. Every process must call this.
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
    """Return the result of ``do`` in this process; an `InputError` in one process is raised in all."""
    result, problem = None, None
    try:
        result = do()
    except InputError as error:
        problem = str(error)
    if problems := [each for each in gathered(problem) if each is not None]:
        raise InputError(problems[0])
    return result  # type: ignore[return-value]
