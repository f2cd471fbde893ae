"""Measure images per second over all processes."""

from __future__ import annotations

import time

from ignite.engine import Engine, Events

from ..processes import rank_and_size


class Throughput:
    """Handler that sets ``images_per_second`` in ``engine.state.metrics``: a running mean from the second iteration on.

    Time is measured from the end of one iteration to the end of the next, so it includes waiting for data.

    Args:
        batch_size: number of images per process and iteration.
        smoothing: share of the old mean kept at each iteration.
    """

    def __init__(self, *, batch_size: int, smoothing: float = 0.9) -> None:
        self.n_images, self.smoothing = batch_size * rank_and_size()[1], smoothing
        self._last: float | None = None
        self._seconds: float | None = None

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def _start(self, engine: Engine) -> None:
        self._last = self._seconds = None

    def __call__(self, engine: Engine) -> None:
        now = time.perf_counter()
        if self._last is not None:
            seconds = now - self._last
            old = seconds if self._seconds is None else self._seconds
            self._seconds = self.smoothing * old + (1 - self.smoothing) * seconds
            engine.state.metrics["images_per_second"] = self.n_images / self._seconds
        self._last = now
