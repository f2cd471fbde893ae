"""Run a trainer that saves a checkpoint and stops when a signal arrives."""

from __future__ import annotations

import signal

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events

from ..interruption import Interrupted, NotedSignals, say_interrupted, signals_noted
from ..processes import rank_and_size, reduce_over_processes


def run_training(trainer: Engine, evaluator: Engine | None = None) -> None:
    """Call ``trainer.run()``, and stop after the current iteration on SIGTERM, SIGINT or SIGUSR1.

    All processes stop after the same iteration, even if only one of them received the signal. A validation stops after
    its current case. `TrainingCheckpoint` saves the state; then a message says how to continue.

    Args:
        trainer: trainer with its handlers.
        evaluator: validation engine.

    Raises:
        Interrupted: a signal arrived. The exit status is 143 (SIGTERM), 130 (SIGINT) or 138 (SIGUSR1), so a
            scheduler's script can tell interrupted runs from completed ones.
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
    # wait for the first process to write the checkpoint: a launcher ends all processes once one exits. During a
    # validation, each process ends on its own
    if n_ranks > 1 and not stop.in_validation:
        dist.barrier()
    if rank == 0:
        iteration, path = trainer.state.iteration, getattr(trainer.state, "checkpoint_path", None)
        say_interrupted(
            stop.by,
            f"saved {path} at iteration {iteration}; continue with `--resume True`"
            if path is not None
            else f"stopped at iteration {iteration}; this run saves no checkpoint",
        )
    raise Interrupted(stop.by)


class _StopOnSignal:
    """Handler of the trainer that stops it when a signal arrives."""

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
        # processes need not agree here: they validate different numbers of cases, and the checkpoint is already saved
        if self.signals.first is not None:
            self.by, self.in_validation = self.signals.first, True
            evaluator.terminate(skip_completed=True)
