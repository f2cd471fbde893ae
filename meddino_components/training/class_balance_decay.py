"""Let a class-balanced loss become the plain one in the course of a run."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events

# share of the run after which the loss is the plain one, so that its end is trained as published
_BALANCED_SHARE = 0.8


class ClassBalanceDecay:
    """Handler: lower the loss's ``class_balance`` linearly to 0 over the first four fifths of a run.

    Balance brings small organs forward while the network knows nothing; kept to the end it would make them too large,
    since a pixel of theirs weighs more than one of their surroundings.

    Args:
        loss: whose exponent is set before each step; its value at the start is the highest. One that has no
            ``class_balance`` is left alone.
    """

    def __init__(self, *, loss: Any) -> None:
        self.loss = loss
        self.initial = getattr(loss, "class_balance", None)

    def attach(self, engine: Engine) -> None:
        if self.initial is not None:
            engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        assert self.initial is not None
        done = (engine.state.iteration - 1) / (engine.state.max_epochs * engine.state.epoch_length)
        self.loss.class_balance = self.initial * max(0.0, 1 - done / _BALANCED_SHARE)
