"""Keep the network of the best validation, or of the end."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from ..checkpoints import WeightsRecord, sha256_of, write_weights
from ..placement.devices import unwrap
from ..processes import rank_and_size
from .writable import check_writable


class LastModel:
    """Handler of the trainer: write the weights at the end of a run.

    Args:
        network: what is saved, bare of a DDP wrapper.
        path: file of the weights, replaced in one step; its SHA-256 lies beside it.
        previous_dir: where the file that ``path`` was before this run is kept, under a name with its SHA-256; None
            replaces it.
        record: what the weights are, kept inside the file.

    Raises:
        InputError: ``path`` cannot be written, before the first step.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        path: str | Path,
        previous_dir: str | Path | None = None,
        record: WeightsRecord | None = None,
    ) -> None:
        self.network, self.path, self.record = network, Path(path), record
        self.previous_dir = None if previous_dir is None else Path(previous_dir)
        self._writes_first = True

    def attach(self, engine: Engine) -> None:
        if rank_and_size()[0] == 0:
            check_writable(self.path)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        if rank_and_size()[0] > 0:
            return
        if self._writes_first and self.previous_dir is not None and self.path.is_file():
            _keep(self.path, self.previous_dir)
        write_weights(unwrap(self.network).state_dict(), self.path, record=self._record(engine))
        self._writes_first = False

    def _record(self, engine: Engine) -> WeightsRecord | None:
        return None if self.record is None else replace(self.record, metrics=self._metrics(engine))

    def _metrics(self, engine: Engine) -> dict[str, Any]:
        """What the record says of how this network was chosen."""
        return {"kept": "last", "epoch": int(engine.state.epoch)}


class BestModel(LastModel):
    """The same of the validation engine, at the end of each validation whose key metric is the best so far."""

    # COMPLETED comes after EPOCH_COMPLETED, where MONAI's engine compares the metric with the best one
    def __call__(self, engine: Engine) -> None:
        if engine.state.best_metric_epoch == engine.state.epoch:
            super().__call__(engine)

    def _metrics(self, engine: Engine) -> dict[str, Any]:
        state = engine.state
        measured = {state.key_metric_name: float(state.best_metric), "epoch": int(state.best_metric_epoch)}
        return {"kept": "best", **measured}


def _keep(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digest = sha256_of(path)
    target = folder / f"{path.stem}_{digest[:12]}{path.suffix}"
    if not target.exists():
        try:
            os.link(path, target)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, target)
    Path(f"{target}.sha256").write_text(f"{digest}  {target.name}\n", encoding="utf-8")
