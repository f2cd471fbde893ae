"""Stop a run whose validation no longer improves."""

from __future__ import annotations

import math
import sys
from typing import Any

from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping as ValidationCounter

from ..errors import InputError


class EarlyStopping:
    """Handler of the trainer: stop after ``patience`` validations in a row that were no better than the best one.

    ignite's handler of this name counts. It needs the trainer when it is made, as MONAI's `EarlyStopHandler` does, and
    the trainer needs its handlers: a circle that a configuration cannot write. So it is made here, once the trainer is
    known. Put among the objects of `TrainingCheckpoint`, this one goes on counting in a resumed run.

    Args:
        evaluator: the validation engine; the higher its key metric, the better. A value that is no number counts as the
            worst.
        patience: validations, at any number of epochs between them; None never stops.

    Raises:
        InputError: a patience below 1.
    """

    def __init__(self, *, evaluator: Engine, patience: int | None) -> None:
        if patience is not None and patience < 1:
            raise InputError(
                f"early_stopping_patience is {patience}; expected at least 1 validation, or None for no end"
            )
        self.evaluator = evaluator
        # counts without a limit, too: a resumed run may set one
        self.patience = sys.maxsize if patience is None else patience
        self._counter: ValidationCounter | None = None

    def attach(self, engine: Engine) -> None:
        self._counter = ValidationCounter(patience=self.patience, score_function=_score, trainer=engine)
        self.evaluator.add_event_handler(Events.COMPLETED, self._counter)
        # a run that had stopped and is resumed; not at STARTED, where the checkpoint is read
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        if self._made.counter >= self.patience:
            engine.terminate()

    def state_dict(self) -> dict[str, Any]:
        return dict(self._made.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._made.load_state_dict(state)

    @property
    def _made(self) -> ValidationCounter:
        assert self._counter is not None, "attach the handler first"
        return self._counter


def _score(evaluator: Engine) -> float:
    score = float(evaluator.state.metrics[evaluator.state.key_metric_name])
    return -math.inf if math.isnan(score) else score
