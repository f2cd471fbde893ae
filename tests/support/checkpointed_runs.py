"""Tiny runs with a checkpoint."""

import torch
from tiny_trainer import TinyRun

from meddino_components.training import TrainingCheckpoint


def checkpoint(run, path, **kwargs):
    objects = {"network": run.network, "optimizer": run.optimizer, **kwargs.pop("objects", {})}
    return TrainingCheckpoint(objects=objects, sampler=run.sampler, path=path, **kwargs)


def train(path, *, resume=False, start_seed=0, interval=1, **kwargs):
    run = TinyRun(**kwargs)
    torch.manual_seed(start_seed)  # of the dropout
    return run.run(checkpoint(run, path, resume=resume, interval=interval))


def iterations(folder):
    return sorted(
        torch.load(path, weights_only=True)["iteration"] for path in (folder / "checkpoints").glob("checkpoint_*.pt")
    )
