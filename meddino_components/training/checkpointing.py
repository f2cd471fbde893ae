"""Save checkpoints from which a run can be resumed exactly.

ignite's `Checkpoint` deletes the old file before it writes the new one, and saves neither the position in the data nor
the state of the random generators. An exact resume after a kill needs both, and a file that is replaced in one step.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ..checkpoints import WeightsRecord
from ..data.training_slices.global_batch_sampler import GlobalBatchSampler
from ..errors import InputError
from ..placement.sharding import load_whole_state, whole_state
from ..processes import first_process_decides, gathered, on_all_processes, rank_and_size
from .checkpoint_files import CheckpointFiles
from .random_state import random_state, set_random_state
from .resumed_settings import check_settings, keep_settings
from .run_events import RunEvents, register

logger = logging.getLogger(__name__)

_ONE_FOLDER = (
    "all processes must share one output_dir: set `--output_dir` to a folder on a shared file system, and move the "
    "checkpoint there"
)
# attributes in which MONAI's engines keep the best validation so far
_BEST = ("best_metric", "best_metric_epoch")


class TrainingCheckpoint:
    """Handler that saves everything that determines the next iteration, and resumes from it.

    Checkpoints are saved at the end of an epoch (before and after its validation), at the end of the run, and after the
    iteration in which a signal arrives.

    Args:
        objects: objects with ``state_dict`` and ``load_state_dict``: the ``network``, its ``optimizer``, schedule,
            early stopping, ... A network in DDP or sharded, and its optimiser, are saved as in a single process.
        sampler: batch sampler, which continues at the saved iteration.
        path: file of the newest checkpoint, written by the first process and replaced in one step.
        evaluator: validation engine whose best value so far is saved, too.
        interval: number of epochs between checkpoints.
        kept: number of checkpoints to keep, including the newest (`CheckpointFiles`).
        kept_every: number of epochs; checkpoints at its multiples are never removed. None keeps no further ones.
        resume: True resumes from ``path`` if it exists; a path resumes from that checkpoint; False refuses to overwrite
            an existing checkpoint.
        record: description of the weights to store in the file.
        manifest: plain data to store in the checkpoint (`stage_manifest`), which must be equal on resuming.
        settings: settings of the run by key (`run_settings`), which must be equal on resuming.
        changed: keys of settings that may differ from the checkpoint's.

    Raises:
        InputError: a checkpoint exists and ``resume`` is False; the checkpoint is damaged or has other settings; or the
            processes do not see the same checkpoint. The first process decides, and all processes raise.
    """

    def __init__(
        self,
        *,
        objects: Mapping[str, Any],
        sampler: GlobalBatchSampler,
        path: str | Path,
        evaluator: Engine | None = None,
        interval: int = 1,
        kept: int = 3,
        kept_every: int | None = None,
        resume: bool | str | Path = False,
        manifest: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        changed: tuple[str, ...] | list[str] = (),
        record: WeightsRecord | None = None,
    ) -> None:
        self.objects, self.sampler, self.evaluator = objects, sampler, evaluator
        self.path, self.interval, self.kept_every, self.resume = Path(path), interval, kept_every, resume
        self.manifest, self.settings, self.changed = dict(manifest or {}), dict(settings or {}), tuple(changed)
        self.files = CheckpointFiles(self.path, kept=kept, record=record)
        # iteration of the newest checkpoint, and whether its validation was still due
        self._saved: tuple[int, bool] | None = None

    def attach(self, engine: Engine) -> None:
        register(engine)
        engine.state.validation_due = False
        engine.state.checkpoint_path = self.path
        engine.add_event_handler(Events.STARTED, self._start)
        # before the validation, which takes minutes, and after it, since its result belongs to the state
        engine.add_event_handler(RunEvents.VALIDATION_DUE, self)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)
        engine.add_event_handler(Events.COMPLETED, self)
        # a signal ends the run
        engine.add_event_handler(Events.TERMINATE, self)

    def __call__(self, engine: Engine) -> None:
        position = engine.state.iteration, engine.state.validation_due
        if position == self._saved:
            return
        rank, n_ranks = rank_and_size()
        states = gathered(random_state())
        network = self.objects["network"]
        objects = {name: whole_state(item, network) for name, item in self.objects.items()}
        if rank == 0:
            payload = {
                "manifest": self.manifest,
                "settings": self.settings,
                "iteration": engine.state.iteration,
                "epoch_length": engine.state.epoch_length,
                "batch_size": self.sampler.batch_size * n_ranks,
                "validation_due": engine.state.validation_due,
                "random_states": states,
                "best": {name: getattr(self.evaluator.state, name) for name in _BEST} if self.evaluator else {},
                **objects,
            }
            every = self.kept_every * engine.state.epoch_length if self.kept_every else None
            self.files.write(payload, engine.state.iteration, every)
        self._saved = position

    def _start(self, engine: Engine) -> None:
        source = first_process_decides(self._source)
        _check_that_all_see(source or self.path)
        if source is None:
            return
        payload = on_all_processes(lambda: self.files.read(source))
        if len(set(gathered(payload["iteration"]))) > 1:
            raise InputError(f"{source}: processes of this run read different iterations from it; {_ONE_FOLDER}")
        self._check(payload, engine, source)
        for name, item in self.objects.items():
            with keep_settings(item):
                load_whole_state(item, payload[name], self.objects["network"])
        engine.state.iteration = payload["iteration"]
        engine.state.epoch = payload["iteration"] // payload["epoch_length"]
        engine.state.validation_due = payload["validation_due"]
        for name, value in payload["best"].items():
            if self.evaluator is not None:
                setattr(self.evaluator.state, name, value)
        self.sampler.start_iteration = payload["iteration"]
        if source == self.path:
            self._saved = payload["iteration"], payload["validation_due"]
            self.files.newest = payload["iteration"]
        rank, n_ranks = rank_and_size()
        if len(payload["random_states"]) == n_ranks:
            set_random_state(payload["random_states"][rank])
        else:
            logger.warning("number of processes is %d instead of %d: random layers differ from an uninterrupted run",
                           n_ranks, len(payload["random_states"]))  # fmt: skip
        logger.info("resumed from %s at iteration %d", source, payload["iteration"])

    def _source(self) -> Path | None:
        """Return the checkpoint to resume from, after checking it; None starts a new run."""
        if not isinstance(self.resume, bool):
            self.files.check(Path(self.resume))
            return Path(self.resume)
        if self.resume and self.path.exists():
            self.files.check(self.path)
            return self.path
        if self.path.exists():
            raise InputError(
                f"{self.path}: checkpoint of an earlier run; continue that run with `--resume True`, or set another "
                "`--output_dir`"
            )
        if self.resume:
            logger.warning("%s: no checkpoint to resume from; starting a new run", self.path)
        return None

    def _check(self, payload: Mapping[str, Any], engine: Engine, source: Path) -> None:
        if missing := sorted(set(self.objects) - set(payload)):
            raise InputError(
                f"{source}: the checkpoint lacks {', '.join(missing)}, so it does not fit this run. Resume from a "
                "checkpoint of this run"
            )
        for name, found, expected in (
            ("epoch_length", payload["epoch_length"], engine.state.epoch_length),
            (
                "batch_size x accumulation_steps x processes",
                payload["batch_size"],
                self.sampler.batch_size * rank_and_size()[1],
            ),
            ("manifest", payload.get("manifest", {}), self.manifest),
        ):
            if found != expected:
                raise InputError(
                    f"{source} was written with {name} {found}, but this run has {expected}. Restore the checkpoint's "
                    "value"
                )
        check_settings(payload.get("settings", {}), self.settings, self.changed, source)


def _check_that_all_see(path: Path) -> None:
    """Refuse to start if only some processes see the checkpoint: they would start from different states."""
    seen = gathered(path.exists())
    for rank, found in enumerate(seen):
        if found != seen[0]:
            having, lacking = (0, rank) if seen[0] else (rank, 0)
            raise InputError(f"{path}: exists for process {having} of this run, but not for {lacking}; {_ONE_FOLDER}")
