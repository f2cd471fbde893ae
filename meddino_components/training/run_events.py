"""Events of a training run that handlers here tell each other of."""

from __future__ import annotations

from ignite.engine import Engine, EventEnum


class RunEvents(EventEnum):
    """Fired on the trainer."""

    VALIDATION_DUE = "validation_due"
    """An epoch is over and its validation comes next."""


def register(engine: Engine) -> None:
    """Let a trainer have these events; handlers of them call it when they are attached."""
    engine.register_events(*RunEvents)
