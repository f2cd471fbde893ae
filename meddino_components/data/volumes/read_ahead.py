"""The next case is read while one is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from monai.transforms import Compose, InvertibleTransform
from torch.utils.data import IterableDataset

from ...errors import error_behind


class ReadAhead(IterableDataset[Any]):
    """A data set in order, where a thread reads the next case's files while a case is worked on.

    The thread runs the transforms before the first invertible one, which read and check; the others run where the case
    is asked for, since inverting them, which may go on meanwhile, switches off what they note. One case more than
    without is in memory. What a case raises is raised where that case is asked for, and the next one can be asked for
    all the same: `monai.data.ThreadDataLoader` ends there as if there were no more. Processes would hand volumes over
    in shared memory, of which containers often have 64 MB.

    Args:
        data: case dicts.
        transform: the preprocessing; None gives the case dicts.
        numbers: the cases that will be asked for, in their order; None takes all.
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
        """The preprocessed case of this number; the one after it begins to be read."""
        if (ahead := self._ahead.pop(number, None)) is None:
            read = self._read(number)
        else:
            try:
                read = ahead.result()
            except Exception as error:
                if error_behind(error, MemoryError) is None:
                    raise
                # there may be room now that the case before it is gone
                read = self._read(number)
        if (following := self._following.get(number)) is not None:
            self._thread = self._thread or ThreadPoolExecutor(max_workers=1, thread_name_prefix="read ahead")
            self._ahead = {following: self._thread.submit(self._read, following)}
        return self._finish(read)

    def close(self) -> None:
        """Give up what was read ahead."""
        self._ahead = {}
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    def _read(self, number: int) -> Any:
        return self._begin(self.data[number])


def _parts(transform: Callable[[Any], Any] | None) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The transforms before the first that can be inverted, and the others; what is no list of them comes second."""
    if not isinstance(transform, Compose):
        return _as_it_is, transform or _as_it_is
    steps = transform.transforms
    first = next((n for n, step in enumerate(steps) if isinstance(step, InvertibleTransform)), len(steps))
    return partial(transform, end=first), partial(transform, start=first)


def _as_it_is(case: Any) -> Any:
    return case
