"""Turn a class-balanced loss into the unweighted one in the course of a run."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events

# share of the run after which the loss is unweighted, so that the rest is trained as published
_BALANCED_SHARE = 0.8


class ClassBalanceDecay:
    """Handler that decays the loss's ``class_balance`` linearly to 0 over the first four fifths of a run.

    Class weights help an untrained network to find small organs. Kept to the end of the run, they would make small
    organs too large, since their pixels weigh more than those around them.

    Args:
        loss: loss whose exponent is set before each step, starting from its initial value. A loss without
            ``class_balance`` is not changed.
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
