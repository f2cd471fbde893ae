"""Validate at regular intervals and after the last epoch."""

from __future__ import annotations

from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.handlers import ValidationHandler

from .run_events import RunEvents, register


class Validation(ValidationHandler):
    """MONAI's `ValidationHandler` for epochs, which also validates the last epoch.

    ``RunEvents.VALIDATION_DUE`` is fired on the trainer before each validation, so that a checkpoint can be saved
    before minutes of work. ``trainer.state.validation_due`` is true until the validation has finished; a run that is
    resumed in this state starts with the validation.

    Args:
        validator: validation engine.
        interval: number of epochs between validations.
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
        """Run the validation that an interrupted run did not finish."""
        if getattr(engine.state, "validation_due", False):
            self._validate(engine, engine.state.epoch - epoch_begins)

    def _validate(self, engine: Engine, epoch: int) -> None:
        self.validator.run(epoch)
        if self.validator.should_terminate:
            engine.terminate(skip_completed=True)
        else:
            engine.state.validation_due = False
