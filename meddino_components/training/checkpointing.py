"""Checkpoints from which a run goes on exactly.

ignite's `Checkpoint` removes a file of the same name before it writes the next, and holds neither the position in the
data nor the random generators; an exact resume after a kill needs both, and a replacement in one step.
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
    "output_dir has to be one folder that all processes see, such as one of a shared file system: give that by "
    "`--output_dir`, and move the checkpoint there"
)
# where MONAI's engines keep the best validation so far
_BEST = ("best_metric", "best_metric_epoch")


class TrainingCheckpoint:
    """Handler: save everything that decides the next iteration, and start from it.

    Saved are ends of epochs (before the validation and after it), the end of the run, and the iteration after which a
    signal ends it.

    Args:
        objects: what has ``state_dict`` and ``load_state_dict``: the ``network``, its ``optimizer``, schedule, early
            stopping, ... A network in DDP or sharded, and its optimiser, are saved as one process would have them.
        sampler: the batch sampler, which is moved to the saved iteration.
        path: file of the newest checkpoint, written by the first process and replaced in one step.
        evaluator: validation engine whose best value so far is kept, too.
        interval: epochs between saves.
        kept: checkpoints that are kept, the newest included (`CheckpointFiles`).
        kept_every: epochs; checkpoints of their multiples stay for good. None: no further ones.
        resume: start from ``path`` where it exists, or from the checkpoint of this path. Otherwise a run that would
            overwrite it is refused.
        record: what the weights are, kept inside the file.
        manifest: plain facts to keep in the checkpoint (`stage_manifest`), which must be the same on resuming.
        settings: settings of the run by their keys (`run_settings`), which must be the same on resuming, too.
        changed: keys of settings that may differ from the checkpoint's all the same.

    Raises:
        InputError: a checkpoint exists and ``resume`` is false; one of another run's settings, or a damaged one;
            processes that do not see the same checkpoint. The first process decides, and all raise.
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
        # iteration, and whether its validation was due, of the newest
        self._saved: tuple[int, bool] | None = None

    def attach(self, engine: Engine) -> None:
        register(engine)
        engine.state.validation_due = False
        engine.state.checkpoint_path = self.path
        engine.add_event_handler(Events.STARTED, self._start)
        # before the minutes that a validation takes, and after it, whose result belongs to the state
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
            raise InputError(f"{source}: is of another iteration for another process of this run; {_ONE_FOLDER}")
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
            logger.warning("resumed on %d processes instead of %d: random layers differ from an uninterrupted run",
                           n_ranks, len(payload["random_states"]))  # fmt: skip
        logger.info("resumed from %s at iteration %d", source, payload["iteration"])

    def _source(self) -> Path | None:
        """The checkpoint to start from, whole; None begins anew."""
        if not isinstance(self.resume, bool):
            self.files.check(Path(self.resume))
            return Path(self.resume)
        if self.resume and self.path.exists():
            self.files.check(self.path)
            return self.path
        if self.path.exists():
            raise InputError(
                f"{self.path} holds a training run: go on with it by `--resume True`, or give another `--output_dir`"
            )
        if self.resume:
            logger.warning("nothing to resume from at %s: training starts anew", self.path)
        return None

    def _check(self, payload: Mapping[str, Any], engine: Engine, source: Path) -> None:
        if missing := sorted(set(self.objects) - set(payload)):
            raise InputError(f"{source} is no checkpoint of this training: {', '.join(missing)} missing")
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
                raise InputError(f"{source} was written with {name} {found}, this run has {expected}: set it back")
        check_settings(payload.get("settings", {}), self.settings, self.changed, source)


def _check_that_all_see(path: Path) -> None:
    """The first process decides where a run starts; others on disks of their own would start apart from it."""
    seen = gathered(path.exists())
    for rank, found in enumerate(seen):
        if found != seen[0]:
            having, lacking = (0, rank) if seen[0] else (rank, 0)
            raise InputError(f"{path}: process {having} of this run has it, process {lacking} has not; {_ONE_FOLDER}")
