"""What processes that do not see one folder do about checkpoints."""

import pytest
import torch
import torch.multiprocessing as mp
from checkpoints_on_processes import CASES, on_process
from tiny_trainer import TinyRun

from meddino_components.training import TrainingCheckpoint


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each process says in each case, and whether it has a checkpoint then."""
    folder = tmp_path_factory.mktemp("processes")
    for case, iterations in CASES.items():
        for rank, iteration in enumerate(iterations):
            (folder / case / str(rank)).mkdir(parents=True)
            if iteration is not None:
                _write(folder / case / str(rank) / "c.pt", iteration)
    mp.spawn(on_process, args=(str(folder), str(folder)), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def _write(path, iteration):
    # the batch of two processes
    run = TinyRun(epochs=iteration // 3, batch_size=4)
    objects = {"network": run.network, "optimizer": run.optimizer}
    run.run(TrainingCheckpoint(objects=objects, sampler=run.sampler, path=path))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("first", "c.pt: process 0 of this run has it, process 1 has not; output_dir has to be one folder"),
        ("second", "c.pt: process 1 of this run has it, process 0 has not; output_dir has to be one folder"),
        ("iterations", "c.pt: is of another iteration for another process of this run; output_dir has to be one"),
    ],
)
def test_processes_that_disagree_all_stop_with_one_error(found, case, said):
    for messages, _ in found:
        assert said in str(messages[case])


@pytest.mark.parametrize("case", ["none", "same"])
def test_processes_that_agree_train_and_the_first_alone_writes(found, case):
    assert [messages[case] for messages, _ in found] == [9, 9]
    written = [files[case] for _, files in found]
    assert written == ([True, False] if case == "none" else [True, True])
