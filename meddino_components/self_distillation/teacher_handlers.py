"""Let the teachers follow the student."""

from __future__ import annotations

import logging

from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import nn

from ..placement.devices import unwrap
from .student_teacher import StudentTeacher

logger = logging.getLogger(__name__)


class TeacherUpdate:
    """Handler: after each step the EMA teacher takes its share of the student.

    ignite's `EMAHandler` keeps a copy of its own and means 1 - momentum by momentum.

    Args:
        network: `StudentTeacher`, or that in DDP.
    """

    def __init__(self, *, network: nn.Module) -> None:
        self.network: StudentTeacher = unwrap(network)

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        self.network.update_teacher(engine.state.ema_momentum)


class GramTeacherRefresh:
    """Handler: the gram teacher becomes the EMA teacher as it is at chosen iterations.

    Args:
        network: `StudentTeacher` with a frozen gram teacher, or that in DDP.
        first: iteration after which it is taken first, counted from 1.
        interval: iterations to the next; None takes it once.
        times: how often at most; None sets no limit.
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
        """Whether the gram teacher is taken after this iteration; a function of it alone, as resuming needs."""
        behind = iteration - self.first
        if behind < 0 or (behind and self.interval is None):
            return False
        number, rest = divmod(behind, self.interval) if self.interval is not None else (0, 0)
        return rest == 0 and (self.times is None or number < self.times)

    def __call__(self, engine: Engine) -> None:
        if self.is_due(engine.state.iteration):
            self.network.refresh_gram_teacher()
            logger.info("gram teacher taken from the EMA teacher after iteration %d", engine.state.iteration)
