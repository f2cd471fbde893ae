"""Read the next case while one is processed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from monai.transforms import Compose, InvertibleTransform
from torch.utils.data import IterableDataset

from ...errors import error_behind


class ReadAhead(IterableDataset[Any]):
    """An ordered data set in which a thread reads the next case's files while a case is processed.

    The thread runs the transforms before the first invertible one, which read and check. The others run when the case
    is requested, since inverting them, which may happen at the same time, switches off their tracing. One more case is
    in memory than without reading ahead. Errors of a case are raised when it is requested, and the next case can still
    be requested: `monai.data.ThreadDataLoader` would silently end there. Processes would need shared memory for
    volumes, of which containers often have only 64 MB.

    Args:
        data: sequence of case dicts.
        transform: preprocessing; None returns the case dicts.
        numbers: numbers of the cases that will be requested, in order; None means all.
    """

    def __init__(
        self,
        data: Sequence[Any],
        transform: Callable[[Any], Any] | None = None,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.data, self.transform = data, transform
        self._begin, self._finish = _parts(transform)
        self.numbers: Sequence[int] = range(len(data)) if numbers is None else numbers
        self._following = dict(zip(self.numbers, self.numbers[1:], strict=False))
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: dict[int, Future[Any]] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Any]:
        try:
            for number in self.numbers:
                yield self.take(number)
        finally:
            self.close()

    def take(self, number: int) -> Any:
        """Return the preprocessed case with this number, and start reading the next one."""
        if (ahead := self._ahead.pop(number, None)) is None:
            read = self._read(number)
        else:
            try:
                read = ahead.result()
            except Exception as error:
                if error_behind(error, MemoryError) is None:
                    raise
                # retry, as memory may suffice now that the previous case is gone
                read = self._read(number)
        if (following := self._following.get(number)) is not None:
            self._thread = self._thread or ThreadPoolExecutor(max_workers=1, thread_name_prefix="read ahead")
            self._ahead = {following: self._thread.submit(self._read, following)}
        return self._finish(read)

    def close(self) -> None:
        """Discard the case that was read ahead."""
        self._ahead = {}
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    def _read(self, number: int) -> Any:
        return self._begin(self.data[number])


def _parts(transform: Callable[[Any], Any] | None) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Split transforms before the first invertible one; a single transform is in the second part."""
    if not isinstance(transform, Compose):
        return _as_it_is, transform or _as_it_is
    steps = transform.transforms
    first = next((n for n, step in enumerate(steps) if isinstance(step, InvertibleTransform)), len(steps))
    return partial(transform, end=first), partial(transform, start=first)


def _as_it_is(case: Any) -> Any:
    return case
