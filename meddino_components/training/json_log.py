"""Log losses, learning rates and metrics of a run as JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ignite.engine import Engine, Events
from torch.optim import Optimizer

from ..processes import rank_and_size
from .iteration_lines import IterationLines

if TYPE_CHECKING:  # tensorboard is an optional dependency
    from torch.utils.tensorboard import SummaryWriter


class JsonLog:
    """Handler that logs a line per iteration (losses, learning rates, metrics) and per validation (metrics).

    Args:
        path: file to append to; a resumed run first drops the lines after its checkpoint.
        optimizer: optimiser whose learning rates are logged.
        evaluator: validation engine; None logs no validations.
    """

    def __init__(self, *, path: str | Path, optimizer: Optimizer, evaluator: Engine | None = None) -> None:
        self.lines = IterationLines(Path(path))
        self.optimizer, self.evaluator = optimizer, evaluator

    def attach(self, engine: Engine) -> None:
        if rank_and_size()[0] > 0:
            return
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._log_validation, engine)

    def _start(self, engine: Engine) -> None:
        self.lines.drop_after(engine.state.iteration)

    def __call__(self, engine: Engine) -> None:
        rates = [group["lr"] for group in self.optimizer.param_groups]
        line = {**scalars_of(engine.state.output), "learning_rates": rates, **engine.state.metrics}
        self.lines.append(engine.state.iteration, line)

    def _log_validation(self, evaluator: Engine, trainer: Engine) -> None:
        self.lines.append(trainer.state.iteration, {"validation": dict(evaluator.state.metrics)})


def scalars_of(output: Mapping[str, Any]) -> dict[str, float]:
    """Return the scalars in the output of an iteration: the loss and its terms."""
    return {
        name: value if isinstance(value, float) else value.item()
        for name, value in output.items()
        if isinstance(value, float) or (isinstance(value, torch.Tensor) and value.ndim == 0)
    }


def write_scalars(engine: Engine, writer: SummaryWriter) -> None:
    """Write all losses and metrics of an iteration; an event writer for MONAI's `TensorBoardStatsHandler`."""
    for name, value in {**scalars_of(engine.state.output), **engine.state.metrics}.items():
        writer.add_scalar(f"train/{name}", value, engine.state.iteration)
