"""Stop a run when its validation no longer improves."""

from __future__ import annotations

import math
import sys
from typing import Any

from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping as ValidationCounter

from ..errors import InputError


class EarlyStopping:
    """Handler of the trainer that stops after ``patience`` consecutive validations without improvement.

    ignite's `EarlyStopping` does the counting. Like MONAI's `EarlyStopHandler`, it needs the trainer on construction,
    but the trainer needs its handlers first; a configuration cannot express this cycle. This handler therefore creates
    ignite's when it is attached. If it is among the objects of `TrainingCheckpoint`, a resumed run keeps the count.

    Args:
        evaluator: validation engine with a key metric for which higher is better; NaN counts as the lowest value.
        patience: number of validations without improvement before the run stops; None never stops.

    Raises:
        InputError: ``patience`` is below 1.
    """

    def __init__(self, *, evaluator: Engine, patience: int | None) -> None:
        if patience is not None and patience < 1:
            raise InputError(
                f"early_stopping_patience is {patience}; expected at least 1 validation, or None to never stop early"
            )
        self.evaluator = evaluator
        # without a limit, still count: a resumed run may set one
        self.patience = sys.maxsize if patience is None else patience
        self._counter: ValidationCounter | None = None

    def attach(self, engine: Engine) -> None:
        self._counter = ValidationCounter(patience=self.patience, score_function=_score, trainer=engine)
        self.evaluator.add_event_handler(Events.COMPLETED, self._counter)
        # stops a resumed run that had already stopped; not at STARTED, when the checkpoint is being read
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
