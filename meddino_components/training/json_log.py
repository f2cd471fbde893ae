"""The course of a run as JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ignite.engine import Engine, Events
from torch.optim import Optimizer

from ..processes import rank_and_size
from .iteration_lines import IterationLines

if TYPE_CHECKING:  # an extra
    from torch.utils.tensorboard import SummaryWriter


class JsonLog:
    """Handler: a line for each iteration (all losses, learning rates, metrics), one for each validation (metrics).

    Args:
        path: file to append to; a resumed run first drops the lines that come after its checkpoint.
        optimizer: whose learning rates are logged.
        evaluator: the validation engine.
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
    """The single values among what an iteration gave: the loss and its terms."""
    return {
        name: value if isinstance(value, float) else value.item()
        for name, value in output.items()
        if isinstance(value, float) or (isinstance(value, torch.Tensor) and value.ndim == 0)
    }


def write_scalars(engine: Engine, writer: SummaryWriter) -> None:
    """Event writer of MONAI's `TensorBoardStatsHandler`: all losses and metrics of an iteration."""
    for name, value in {**scalars_of(engine.state.output), **engine.state.metrics}.items():
        writer.add_scalar(f"train/{name}", value, engine.state.iteration)
