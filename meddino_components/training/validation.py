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
    resumed in this state starts with the validation. It is also true if a signal ends the run within the last iteration
    of an epoch, whose end is never reached then. Attach this handler before the checkpoint's.

    Args:
        validator: validation engine.
        interval: number of epochs between validations.
    """

    def __init__(self, *, validator: Evaluator, interval: int) -> None:
        super().__init__(interval=interval, validator=validator)
        self._last_ended = 0  # epoch

    def attach(self, engine: Engine) -> None:
        register(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self._catch_up, True)
        engine.add_event_handler(Events.COMPLETED, self._catch_up, False)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.TERMINATE, self._note_if_skipped)

    def __call__(self, engine: Engine) -> None:
        epoch = self._last_ended = engine.state.epoch
        if not self._is_due(engine):
            return
        engine.state.validation_due = True
        engine.fire_event(RunEvents.VALIDATION_DUE)
        self._validate(engine, epoch)

    def _is_due(self, engine: Engine) -> bool:
        state = engine.state
        return state.epoch % self.interval == 0 or state.epoch == state.max_epochs

    def _note_if_skipped(self, engine: Engine) -> None:
        state = engine.state
        all_iterations = state.iteration == state.epoch * state.epoch_length
        if all_iterations and self._last_ended < state.epoch and self._is_due(engine):
            state.validation_due = True

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
