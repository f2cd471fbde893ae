"""The group of a run's processes."""

import os
import subprocess
import sys

import pytest
from command_lines import environment

from meddino_components.processes import loader_processes

# what is registered first runs last at the end of Python
PROGRAM = """
import atexit, pathlib
names = lambda: [path.read_text().strip() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
n_gloo = lambda: sum("gloo" in name for name in names())
atexit.register(lambda: print("at the end", n_gloo()))
import torch
from torch.nn.parallel import DistributedDataParallel
from meddino_components.processes import join_processes
join_processes()
network = DistributedDataParallel(torch.nn.Linear(2, 2))
network.cycle = network
network(torch.ones(1, 2)).sum().backward()
print("in the run", n_gloo())
{end}
"""
ALONE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}


@pytest.mark.parametrize(
    ("processors", "on_this_machine", "expected"), [(1, 1, 1), (8, 1, 7), (64, 1, 12), (64, 8, 7), (4, 8, 1)]
)
def test_loaders_share_the_processors(monkeypatch, processors, on_this_machine, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(on_this_machine))
    assert loader_processes() == expected


@pytest.mark.slow
def test_threads_of_the_group_end_before_python_does():
    """With a network in a cycle that holds the group, as a configuration does, whether or not the run left it."""
    for end in ("del network", "del network; torch.distributed.destroy_process_group()"):
        program = PROGRAM.format(end=end)
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment(**ALONE), capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        (in_run, at_end) = done.stdout.splitlines()
        assert int(in_run.split()[-1]) > 0
        assert at_end == "at the end 0"
