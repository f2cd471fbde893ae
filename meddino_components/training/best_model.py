"""Keep the network of the best validation, or of the end where nothing validates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ignite.engine import Engine, Events
from torch import nn

from ..checkpoints import WeightsRecord, write_weights
from ..processes import rank_and_size
from .placement import unwrap


class LastModel:
    """Handler of the trainer: write the weights at the end of a run, for one that has no case to validate on.

    Args:
        network: what is saved, bare of a DDP wrapper.
        path: file of the weights, replaced in one step; its SHA-256 lies beside it.
        record: what the weights are, kept inside the file.
    """

    def __init__(self, *, network: nn.Module, path: str | Path, record: WeightsRecord | None = None) -> None:
        self.network, self.path, self.record = network, Path(path), record

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        if rank_and_size()[0] == 0:
            write_weights(unwrap(self.network).state_dict(), self.path, record=self._record(engine))

    def _record(self, engine: Engine) -> WeightsRecord | None:
        return self.record


class BestModel(LastModel):
    """The same of the validation engine, at the end of each validation whose key metric is the best so far."""

    # COMPLETED comes after EPOCH_COMPLETED, where MONAI's engine compares the metric with the best one
    def __call__(self, engine: Engine) -> None:
        if engine.state.best_metric_epoch == engine.state.epoch:
            super().__call__(engine)

    def _record(self, engine: Engine) -> WeightsRecord | None:
        if self.record is None:
            return None
        state = engine.state
        measured = {state.key_metric_name: float(state.best_metric), "epoch": int(state.best_metric_epoch)}
        return replace(self.record, metrics=measured)
