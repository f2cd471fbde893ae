"""Events of a training run that its handlers fire and listen to."""

from __future__ import annotations

from ignite.engine import Engine, EventEnum


class RunEvents(EventEnum):
    """Events that are fired on the trainer."""

    VALIDATION_DUE = "validation_due"
    """An epoch has ended and its validation is about to start."""


def register(engine: Engine) -> None:
    """Register these events with a trainer; handlers that use them call this when they are attached."""
    engine.register_events(*RunEvents)
