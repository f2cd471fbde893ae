"""Export the EMA teacher's backbone as weights that other bundles load by path."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from ..checkpoints import WeightsRecord, describe_network, write_weights
from ..placement.devices import unwrap
from ..placement.sharding import whole_state
from ..processes import rank_and_size
from ..software import software_versions
from ..training.writable import check_writable

logger = logging.getLogger(__name__)


class TeacherExport:
    """Handler that writes the teacher's backbone as safetensors, at an interval and at the end of the run.

    Files ``<folder>/teacher_<iteration>.safetensors`` are kept for the gram teacher of the next stage and for
    comparisons; ``path`` is the newest one. Record and metadata of a file hold the manifest and the iteration.

    Args:
        network: `StudentTeacher`, possibly wrapped in DDP or sharded.
        path: path of the newest teacher, which ends in ``.safetensors``.
        folder: folder for teachers that are kept.
        interval: number of iterations between teachers that are kept.
        manifest: description of the stage, see `stage_manifest`.

    Raises:
        InputError: ``path`` cannot be written; raised before the first step.
    """

    def __init__(
        self, *, network: nn.Module, path: str | Path, folder: str | Path, interval: int, manifest: Mapping[str, Any]
    ) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        self.network, self.path, self.folder = network, Path(path), Path(folder)
        self.interval, self.manifest = interval, manifest

    def attach(self, engine: Engine) -> None:
        if rank_and_size()[0] == 0:
            check_writable(self.path)
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.interval), self._keep)
        engine.add_event_handler(Events.COMPLETED, self)

    def _keep(self, engine: Engine) -> None:
        self._write(engine, self.folder / f"teacher_{engine.state.iteration:07d}.safetensors")

    def __call__(self, engine: Engine) -> None:
        self._write(engine, self.path)

    def _write(self, engine: Engine, path: Path) -> None:
        teacher = unwrap(self.network).teacher.backbone
        backbone: dict[str, torch.Tensor] = whole_state(teacher, self.network)
        if rank_and_size()[0] > 0:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = {name: str(value) for name, value in {**self.manifest, "iteration": engine.state.iteration}.items()}
        record = WeightsRecord(
            architecture=describe_network(unwrap(self.network).teacher.backbone),
            stage={**self.manifest, "iteration": engine.state.iteration},
            software=software_versions(),
        )
        write_weights(backbone, path, facts, record=record)
        logger.info("teacher of iteration %d written to %s", engine.state.iteration, path)
