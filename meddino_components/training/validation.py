"""Validate at an interval, and in any case the network that a run ends with."""

from __future__ import annotations

from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.handlers import ValidationHandler

from .run_events import RunEvents, register


class Validation(ValidationHandler):
    """MONAI's `ValidationHandler` of epochs, which validates the last epoch, too.

    The trainer's ``RunEvents.VALIDATION_DUE`` comes before each, for what is to be safe before minutes of work. While
    ``trainer.state.validation_due`` is true, the validation of the epoch that is over has not come to its end; a run
    that was resumed so begins with it.

    Args:
        validator: the validation engine.
        interval: epochs between validations.
    """

    def __init__(self, *, validator: Evaluator, interval: int) -> None:
        super().__init__(interval=interval, validator=validator)

    def attach(self, engine: Engine) -> None:
        register(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self._catch_up, True)
        engine.add_event_handler(Events.COMPLETED, self._catch_up, False)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        epoch = engine.state.epoch
        if epoch % self.interval and epoch != engine.state.max_epochs:
            return
        engine.state.validation_due = True
        engine.fire_event(RunEvents.VALIDATION_DUE)
        self._validate(engine, epoch)

    def _catch_up(self, engine: Engine, epoch_begins: bool) -> None:
        """The validation that an interrupted run still owes."""
        if getattr(engine.state, "validation_due", False):
            self._validate(engine, engine.state.epoch - epoch_begins)

    def _validate(self, engine: Engine, epoch: int) -> None:
        self.validator.run(epoch)
        if self.validator.should_terminate:
            engine.terminate(skip_completed=True)
        else:
            engine.state.validation_due = False
