"""Checkpoints from which a run goes on exactly.

ignite's `Checkpoint` removes a file of the same name before it writes the next, and holds neither the position in the
data nor the random generators; an exact resume after a kill needs both, and a replacement in one step.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events

from ..checkpoints import AtomicSaver, WeightsRecord
from ..data.global_batch_sampler import GlobalBatchSampler
from ..errors import InputError
from ..processes import rank_and_size
from .random_state import random_state, set_random_state
from .sharding import load_whole_state, whole_state

logger = logging.getLogger(__name__)

# where MONAI's engines keep the best validation so far
_BEST = ("best_metric", "best_metric_epoch")


class TrainingCheckpoint:
    """Handler: save everything that decides the next iteration, and start from it.

    Args:
        objects: what has ``state_dict`` and ``load_state_dict``: the ``network``, its ``optimizer``, schedule, early
            stopping, ... A network in DDP or sharded, and its optimiser, are saved as one process would have them.
        sampler: the batch sampler, which is moved to the saved iteration.
        path: file of the checkpoint, written by the first process and replaced in one step.
        evaluator: validation engine whose best value so far is kept, too.
        interval: epochs between saves; the end of the run is always saved.
        resume: start from ``path`` where it exists. Otherwise a run that would overwrite it is refused.
        record: what the weights are, kept inside the file.
        manifest: plain facts to keep in the checkpoint (`stage_manifest`), which must be the same on resuming.

    Raises:
        InputError: a checkpoint exists and ``resume`` is false; one of another run's settings.
    """

    def __init__(
        self,
        *,
        objects: Mapping[str, Any],
        sampler: GlobalBatchSampler,
        path: str | Path,
        evaluator: Engine | None = None,
        interval: int = 1,
        resume: bool = False,
        manifest: Mapping[str, Any] | None = None,
        record: WeightsRecord | None = None,
    ) -> None:
        self.record = record
        self.manifest = dict(manifest or {})
        self.objects, self.sampler, self.evaluator = objects, sampler, evaluator
        self.path, self.interval, self.resume = Path(path), interval, resume
        self._saved_at = -1

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        # at the end of an epoch and after its validation, whose result belongs to the state
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)
        engine.add_event_handler(Events.COMPLETED, self._save_last)

    def _save_last(self, engine: Engine) -> None:
        if self._saved_at != engine.state.iteration:
            self(engine)

    def __call__(self, engine: Engine) -> None:
        rank, n_ranks = rank_and_size()
        if n_ranks > 1:
            states: list[Any] = [None] * n_ranks
            dist.all_gather_object(states, random_state())
        else:
            states = [random_state()]
        network = self.objects["network"]
        objects = {name: whole_state(item, network) for name, item in self.objects.items()}
        if rank == 0:
            payload = {
                "manifest": self.manifest,
                "iteration": engine.state.iteration,
                "epoch_length": engine.state.epoch_length,
                "batch_size": self.sampler.batch_size * n_ranks,
                "random_states": states,
                "best": {name: getattr(self.evaluator.state, name) for name in _BEST} if self.evaluator else {},
                **objects,
            }
            AtomicSaver(dirname=self.path.parent, record=self.record)(payload, self.path.name)
        self._saved_at = engine.state.iteration

    def _start(self, engine: Engine) -> None:
        if not self.path.exists():
            if self.resume:
                logger.warning("nothing to resume from at %s: training starts anew", self.path)
            return
        if not self.resume:
            raise InputError(
                f"{self.path} holds a training run: go on with it by `--resume True`, or give another `--output_dir`"
            )
        payload = torch.load(self.path, map_location="cpu", weights_only=True)
        self._check(payload, engine)
        for name, item in self.objects.items():
            load_whole_state(item, payload[name], self.objects["network"])
        engine.state.iteration = payload["iteration"]
        engine.state.epoch = payload["iteration"] // payload["epoch_length"]
        for name, value in payload["best"].items():
            if self.evaluator is not None:
                setattr(self.evaluator.state, name, value)
        self.sampler.start_iteration = self._saved_at = payload["iteration"]
        rank, n_ranks = rank_and_size()
        if len(payload["random_states"]) == n_ranks:
            set_random_state(payload["random_states"][rank])
        else:
            logger.warning("resumed on %d processes instead of %d: random layers differ from an uninterrupted run",
                           n_ranks, len(payload["random_states"]))  # fmt: skip
        logger.info("resumed from %s at iteration %d", self.path, payload["iteration"])

    def _check(self, payload: Mapping[str, Any], engine: Engine) -> None:
        if missing := sorted(set(self.objects) - set(payload)):
            raise InputError(f"{self.path} is no checkpoint of this training: {', '.join(missing)} missing")
        for name, found, expected in (
            ("epoch_length", payload["epoch_length"], engine.state.epoch_length),
            ("batch_size x processes", payload["batch_size"], self.sampler.batch_size * rank_and_size()[1]),
            ("manifest", payload.get("manifest", {}), self.manifest),
        ):
            if found != expected:
                raise InputError(f"{self.path} was written with {name} {found}, this run has {expected}: set it back")
