"""Save the weights of the network with the best validation, or of the last one."""

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
    """Handler of the trainer that writes the weights at the end of a run.

    Args:
        network: network to save, without its DDP wrapper.
        path: weight file, replaced in one step, with its SHA-256 in a file next to it.
        previous_dir: folder that keeps an earlier file at ``path``, named after its SHA-256; None keeps no copy.
        record: description of the weights to store in the file.

    Raises:
        InputError: ``path`` cannot be written; raised before the first step.
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
        """Return the record's entries on how this network was chosen."""
        return {"kept": "last", "epoch": int(engine.state.epoch)}


class BestModel(LastModel):
    """Handler of the validation engine that writes the weights whenever the key metric is the best so far."""

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
