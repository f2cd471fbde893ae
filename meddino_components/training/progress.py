"""Show one progress bar for the whole run, with its remaining time."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events
from torch.optim import Optimizer
from tqdm import tqdm

from ..processes import rank_and_size
from .json_log import scalars_of


class RunProgress:
    """Handler that shows a bar over all iterations of a run with loss, learning rate and remaining time.

    ignite's `ProgressBar` counts within an epoch, so its remaining time is that of the epoch, not of the run.

    Args:
        optimizer: optimiser whose first learning rate is shown.
        enabled: show the bar; only the first process ever shows it.
    """

    def __init__(self, *, optimizer: Optimizer, enabled: bool = True) -> None:
        self.optimizer = optimizer
        self.enabled = enabled and rank_and_size()[0] == 0
        self._bar: tqdm[Any] | None = None

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._close)
        engine.add_event_handler(Events.TERMINATE, self._close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._close_on_error)

    def _open(self, engine: Engine) -> None:
        if self._bar is None:  # not at STARTED, when a resumed run sets its iteration
            total = engine.state.max_epochs * engine.state.epoch_length
            self._bar = tqdm(
                total=total, initial=engine.state.iteration, desc="training", unit="it", disable=not self.enabled
            )

    def __call__(self, engine: Engine) -> None:
        if self._bar is not None:
            loss, rate = scalars_of(engine.state.output)["loss"], self.optimizer.param_groups[0]["lr"]
            self._bar.set_postfix(loss=f"{loss:.4f}", lr=f"{rate:.2e}", refresh=False)
            self._bar.update()

    def _close(self, engine: Engine) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _close_on_error(self, engine: Engine, error: BaseException) -> None:
        self._close(engine)
        raise error
