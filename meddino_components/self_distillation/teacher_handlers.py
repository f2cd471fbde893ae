"""Handlers that update the teachers from the student."""

from __future__ import annotations

import logging

from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import nn

from ..placement.devices import unwrap
from .student_teacher import StudentTeacher

logger = logging.getLogger(__name__)


class TeacherUpdate:
    """Handler that updates the EMA teacher after each step.

    ignite's `EMAHandler` keeps its own copy, and its momentum is 1 minus ours.

    Args:
        network: `StudentTeacher`, possibly wrapped in DDP.
    """

    def __init__(self, *, network: nn.Module) -> None:
        self.network: StudentTeacher = unwrap(network)

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        self.network.update_teacher(engine.state.ema_momentum)


class GramTeacherRefresh:
    """Handler that copies the EMA teacher to the gram teacher at chosen iterations.

    Args:
        network: `StudentTeacher` with a frozen gram teacher, possibly wrapped in DDP.
        first: iteration after which it is first copied, counted from 1.
        interval: number of iterations to the next copy; None copies once.
        times: largest number of copies; None sets no limit.
    """

    def __init__(
        self, *, network: nn.Module, first: int, interval: int | None = None, times: int | None = None
    ) -> None:
        if first < 1 or (interval is not None and interval < 1):
            raise ValueError(f"first and interval must be at least 1, got {first} and {interval}")
        self.network: StudentTeacher = unwrap(network)
        self.first, self.interval, self.times = first, interval, times

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def is_due(self, iteration: int) -> bool:
        """Return whether to copy after this iteration; depends only on the iteration, as resuming requires."""
        behind = iteration - self.first
        if behind < 0 or (behind and self.interval is None):
            return False
        number, rest = divmod(behind, self.interval) if self.interval is not None else (0, 0)
        return rest == 0 and (self.times is None or number < self.times)

    def __call__(self, engine: Engine) -> None:
        if self.is_due(engine.state.iteration):
            self.network.refresh_gram_teacher()
            logger.info("gram teacher copied from the EMA teacher after iteration %d", engine.state.iteration)
