"""Stop a run whose validation no longer improves."""

from __future__ import annotations

import logging

from ignite.engine import Engine, Events

logger = logging.getLogger(__name__)


class EarlyStopping:
    """Handler of the trainer: stop after a validation when the best one is ``patience`` epochs ago.

    MONAI's `EarlyStopHandler` is attached to the validation engine and needs the trainer, which needs the validation
    engine: a circle that a configuration cannot write. This one needs no state of its own, so a resumed run stops
    where an uninterrupted one does. It looks at epochs that were validated alone, so that the network a run stops with
    has been judged.

    Args:
        evaluator: the validation engine.
        patience: epochs without improvement; None never stops.
    """

    def __init__(self, *, evaluator: Engine, patience: int | None) -> None:
        self.evaluator, self.patience = evaluator, patience

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        best_epoch, epoch = self.evaluator.state.best_metric_epoch, engine.state.epoch
        validated = self.evaluator.state.epoch == epoch
        if self.patience is not None and validated and best_epoch >= 0 and epoch - best_epoch >= self.patience:
            logger.info("no better validation for %d epochs: stopping after epoch %d", self.patience, epoch)
            engine.terminate()
