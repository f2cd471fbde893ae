"""Two processes whose folders are not the same, as on local disks; light to import, for new processes do."""

import os
from pathlib import Path

import torch
import torch.distributed as dist
from tiny_trainer import TinyRun

from meddino_components.errors import InputError
from meddino_components.training import TrainingCheckpoint

# the iterations of each process' checkpoint; None: it has none
CASES = {"first": (3, None), "second": (None, 3), "iterations": (3, 6), "none": (None, None), "same": (3, 3)}


def train(folder, epochs, resume):
    """What stops the run, or how many iterations it has done at its end."""
    run = TinyRun(epochs=epochs)
    objects = {"network": run.network, "optimizer": run.optimizer}
    try:
        # one path, which leads each process to a folder of its own
        os.chdir(folder)
        run.run(TrainingCheckpoint(objects=objects, sampler=run.sampler, path="c.pt", resume=resume))
    except InputError as error:
        return str(error)
    return run.trainer.state.iteration


def on_process(rank, folder, prepared):
    """Resume from a folder of its own in each case."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = {case: train(Path(prepared) / case / str(rank), 3, True) for case in CASES}
    written = {case: (Path(prepared) / case / str(rank) / "c.pt").exists() for case in CASES}
    torch.save((found, written), f"{folder}/{rank}.pt")
    dist.destroy_process_group()
