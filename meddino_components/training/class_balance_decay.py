"""Let a class-balanced loss become the plain one in the course of a run."""

from __future__ import annotations

from ignite.engine import Engine, Events

from ..losses import DiceCrossEntropyLoss, RegionDiceCrossEntropyLoss

# share of the run after which the loss is the plain one, so that its end is trained as published
_BALANCED_SHARE = 0.8


class ClassBalanceDecay:
    """Handler: lower the loss's ``class_balance`` linearly to 0 over the first four fifths of a run.

    Balance brings small organs forward while the network knows nothing; kept to the end it would make them too large,
    since a pixel of theirs weighs more than one of their surroundings.

    Args:
        loss: whose exponent is set before each step; its value at the start is the highest.
    """

    def __init__(self, *, loss: DiceCrossEntropyLoss | RegionDiceCrossEntropyLoss) -> None:
        self.loss = loss
        self.initial = loss.class_balance

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        done = (engine.state.iteration - 1) / (engine.state.max_epochs * engine.state.epoch_length)
        self.loss.class_balance = self.initial * max(0.0, 1 - done / _BALANCED_SHARE)
