"""Run a trainer so that a signal ends it at a checkpoint."""

from __future__ import annotations

import signal

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events

from ..interruption import Interrupted, NotedSignals, say_interrupted, signals_noted
from ..processes import rank_and_size, reduce_over_processes


def run_training(trainer: Engine, evaluator: Engine | None = None) -> None:
    """``trainer.run()``, which SIGTERM, SIGINT and SIGUSR1 end after the iteration that they come in.

    All processes stop after the same iteration, whichever of them got the signal. A validation stops after its case.
    `TrainingCheckpoint` writes what there is; then one line says how to go on.

    Args:
        trainer: with its handlers.
        evaluator: the validation engine.

    Raises:
        Interrupted: a signal came; its exit status is 143 (SIGTERM), 130 (SIGINT) or 138 (SIGUSR1), so that a
            scheduler's script can tell an interrupted run from one that is done.
    """
    with signals_noted() as signals:
        stop = _StopOnSignal(signals)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, stop)
        if evaluator is not None:
            evaluator.add_event_handler(Events.ITERATION_COMPLETED, stop.stop_validation)
        trainer.run()
        if stop.by is not None:
            _end(trainer, stop)


def _end(trainer: Engine, stop: _StopOnSignal) -> None:
    assert stop.by is not None
    rank, n_ranks = rank_and_size()
    # the first process writes the checkpoint, and a launcher ends all once one is gone; in a validation each ends alone
    if n_ranks > 1 and not stop.in_validation:
        dist.barrier()
    if rank == 0:
        iteration, path = trainer.state.iteration, getattr(trainer.state, "checkpoint_path", None)
        say_interrupted(
            stop.by,
            f"{path} at iteration {iteration}; go on with `--resume True`"
            if path is not None
            else f"iteration {iteration} of a run that keeps no checkpoint",
        )
    raise Interrupted(stop.by)


class _StopOnSignal:
    """Handler of the trainer."""

    def __init__(self, signals: NotedSignals) -> None:
        self.signals = signals
        self.by: signal.Signals | None = None
        self.in_validation = False

    def __call__(self, engine: Engine) -> None:
        number = self.signals.first or 0
        if rank_and_size()[1] > 1:
            noted = torch.tensor(int(number), device=engine.state.device)
            number = int(reduce_over_processes(noted, dist.ReduceOp.MAX))
        if number:
            self.by = signal.Signals(number)
            engine.terminate(skip_completed=True)

    def stop_validation(self, evaluator: Engine) -> None:
        # no agreement here: processes have different numbers of cases, and the checkpoint is written
        if self.signals.first is not None:
            self.by, self.in_validation = self.signals.first, True
            evaluator.terminate(skip_completed=True)
