"""Finish folds: one after another or side by side on this machine, or on a Ray cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from ..errors import InputError
from ..ray_cluster import ray_cluster
from .fold import Fold, RunningFold, finish_fold

Variables = Mapping[str, str]
# called regularly with what runs: "training" or "evaluation" by the fold's number
Watch = Callable[[Mapping[int, str]], None]
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_WATCH_SECONDS = 0.5
_WAIT_FOR_CANCELLED_SECONDS = 60.0


def local_slots(devices: Sequence[int | str] | None, workers: int | None) -> list[Variables]:
    """Return the environment variables of each process that may run on this machine at a time.

    Args:
        devices: GPUs by number or UUID, as in CUDA_VISIBLE_DEVICES; None takes all visible ones.
        workers: number of processes without a GPU.

    Raises:
        InputError: both are given, or there are none.
    """
    if devices is None and workers is None:
        named = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
        n_devices = torch.cuda.device_count()
        devices = named[:n_devices] if named else list(range(n_devices))
    elif devices is not None and workers is not None:
        raise InputError("--devices and --workers are both given: GPUs run one fold each, --workers is for the CPU")
    elif devices is not None and not devices:
        raise InputError("--devices is an empty list; expected GPUs such as [0, 1], or leave it out")
    if devices:
        return [{_VISIBLE: str(device)} for device in devices]
    if workers is None:
        return [{}]
    if workers < 1:
        raise InputError(f"--workers is {workers}; expected at least 1")
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    return [{_VISIBLE: "", "OMP_NUM_THREADS": threads} for _ in range(workers)]


def on_this_machine(folds: Sequence[Fold], slots: Sequence[Variables], watch: Watch) -> Iterator[Fold]:
    """Finish folds, one at a time in each slot, and yield each when it is finished.

    When a fold fails, no other is begun; those that run are finished first.

    Args:
        folds: folds that are not finished.
        slots: environment variables of each slot.
        watch: function called about twice a second.

    Raises:
        InputError: a fold failed.
    """
    waiting, free = list(folds), list(slots)
    running: list[RunningFold] = []
    failed: InputError | None = None
    with ExitStack() as stack:
        while running or (waiting and failed is None):
            while waiting and free and failed is None:
                running.append(RunningFold(waiting.pop(0), free.pop(0)))
                stack.callback(running[-1].stop)
            for one in list(running):
                try:
                    finished = one.poll()
                except InputError as error:
                    failed = failed or error
                    finished = None
                if finished is False:
                    continue
                running.remove(one)
                free.append(one.variables)
                if finished:
                    yield one.fold
            watch({one.fold.number: one.doing for one in running})
            if running:
                time.sleep(_WATCH_SECONDS)
    if failed is not None:
        raise failed


def on_ray(folds: Sequence[Fold], address: str | None, workers: int | None, watch: Watch) -> Iterator[Fold]:
    """Do the same as `on_this_machine` on a Ray cluster, whose nodes must see the same folders by the same paths.

    A fold takes one GPU if the cluster has any, otherwise one CPU.

    Args:
        folds: folds that are not finished.
        address: address of the cluster, see `ray_cluster`.
        workers: largest number of folds at a time; None for as many as the cluster has room for.
        watch: function called about twice a second.

    Raises:
        InputError: Ray is not installed, the cluster cannot be reached, or a fold failed.
    """
    with ray_cluster(address) as ray:
        on_gpu = ray.cluster_resources().get("GPU", 0) > 0
        task: Any = ray.remote(num_gpus=1 if on_gpu else 0, num_cpus=1, max_retries=0)(finish_fold)
        variables = {name: os.environ[name] for name in ("PYTHONPATH", "OMP_WAIT_POLICY") if name in os.environ}
        waiting = list(folds)
        running: dict[Any, Fold] = {}
        failed: InputError | None = None
        try:
            while running or (waiting and failed is None):
                while waiting and failed is None and (workers is None or len(running) < workers):
                    fold = waiting.pop(0)
                    running[task.remote(fold, variables)] = fold
                done, _ = ray.wait(list(running), num_returns=1, timeout=_WATCH_SECONDS)
                for reference in done:
                    fold = running.pop(reference)
                    try:
                        ray.get(reference)
                    except ray.exceptions.RayError as error:
                        failed = failed or _as_input_error(fold, error)
                    else:
                        yield fold
                watch({fold.number: "" for fold in running.values()})
        finally:
            for reference in running:
                ray.cancel(reference)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=_WAIT_FOR_CANCELLED_SECONDS)
    if failed is not None:
        raise failed


def _as_input_error(fold: Fold, error: Exception) -> InputError:
    cause = getattr(error, "cause", None)
    if isinstance(cause, InputError):
        return cause
    return InputError(f"fold {fold.number}: its Ray task failed ({str(error).strip().splitlines()[-1]}). Run again")
