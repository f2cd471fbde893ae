"""Apply a function to many items in parallel, in processes on this machine or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from ...errors import InputError
from ...ray_cluster import ray_cluster

Item = TypeVar("Item")
Result = TypeVar("Result")
_IN_FLIGHT = 4  # Ray tasks submitted per running task


def map_locally(
    function: Callable[[Item], Result], items: Sequence[Item], *, num_workers: int | None
) -> Iterator[tuple[int, Result]]:
    """Yield index and result of each item, in order; exceptions of the function are raised here.

    Unlike processes of `concurrent.futures`, those of torch's loader end when this process is killed.

    Args:
        function: function to apply, which can be pickled.
        items: items to process, which can be pickled.
        num_workers: number of processes; None for one per core, 0 to run in this process.

    Raises:
        InputError: a worker was killed, most likely because memory ran out.
    """
    if num_workers is None:
        num_workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    loader = DataLoader(
        _Results(function, items),
        batch_size=None,
        num_workers=min(num_workers, len(items)),
        collate_fn=_unchanged,
    )
    results = iter(loader)
    for number in range(len(items)):
        try:
            result = next(results)
        except RuntimeError as error:
            if "exited unexpectedly" not in str(error):
                raise
            raise InputError(
                "a worker process was killed, most likely because memory ran out. Run again with fewer num_workers: "
                "complete cases are not read again."
            ) from error
        yield number, result


def map_on_ray(
    function: Callable[[Item], Result], items: Sequence[Item], *, address: str | None
) -> Iterator[tuple[int, Result]]:
    """Yield index and result of each item, computed on a Ray cluster; the order is arbitrary.

    Args:
        function: function to apply, which all nodes can import or Ray can pickle.
        items: items to process, which can be pickled; their paths must be the same on all nodes.
        address: address of a running cluster, such as "auto" or "ray://head:10001"; None starts Ray on this machine.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be reached.
    """
    with ray_cluster(address) as ray:
        # Ray accepts only functions, but `function` may be a partial
        remote: Any = ray.remote(lambda item: function(item))
        limit = _IN_FLIGHT * max(1, int(ray.cluster_resources().get("CPU", 1)))
        running: dict[Any, int] = {}
        following = 0
        while following < len(items) or running:
            while following < len(items) and len(running) < limit:
                running[remote.remote(items[following])] = following
                following += 1
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                yield running.pop(reference), ray.get(reference)


class _Results(Dataset[Any]):
    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.function, self.items = function, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.function(self.items[index])


def _unchanged(result: Any) -> Any:
    return result
