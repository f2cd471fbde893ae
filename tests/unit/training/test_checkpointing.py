"""Checkpoints from which a run goes on exactly."""

import multiprocessing
import os

import pytest
import torch
from checkpointed_runs import checkpoint, train
from checkpoints_on_processes import CASES, on_process
from ignite.engine import Engine
from several_processes import on_processes
from tiny_trainer import TinyRun
from visible_files import partial_files, visible

from meddino_components.checkpoints import sha256_of, writer
from meddino_components.errors import InputError
from meddino_components.training import TrainingCheckpoint


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    whole = train(tmp_path / "whole.pt", epochs=5)
    train(tmp_path / "half.pt", epochs=2)
    resumed = train(tmp_path / "half.pt", epochs=5, resume=True, seed=7, start_seed=99)
    assert torch.equal(resumed.weights, whole.weights)
    assert resumed.sampler.start_iteration == 6
    assert resumed.trainer.state.iteration == 15
    two = [torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "half")]
    assert [content["iteration"] for content in two] == [15, 15]
    assert torch.equal(two[0]["random_states"][0]["torch"], two[1]["random_states"][0]["torch"])


def test_a_finished_run_resumed_does_nothing(tmp_path):
    done = train(tmp_path / "c.pt", epochs=2)
    stamp = (tmp_path / "c.pt").stat().st_mtime_ns
    again = train(tmp_path / "c.pt", epochs=2, resume=True, seed=7)
    assert torch.equal(again.weights, done.weights)
    assert (tmp_path / "c.pt").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(("interval", "epochs", "saved"), [(1, 3, [3, 6, 9]), (2, 5, [6, 12, 15]), (9, 2, [6])])
def test_saves_at_each_interval_and_at_the_end(tmp_path, monkeypatch, interval, epochs, saved):
    written, save = [], writer.save_plain
    monkeypatch.setattr(writer, "save_plain", lambda c, *args: written.append(c["iteration"]) or save(c, *args))
    train(tmp_path / "c.pt", interval=interval, epochs=epochs)
    assert written == saved
    assert (tmp_path / "c.pt.sha256").read_text(encoding="utf-8").split()[0] == sha256_of(tmp_path / "c.pt")


def test_the_best_validation_is_kept(tmp_path):
    evaluators = [Engine(lambda engine, batch: None) for _ in range(2)]
    for evaluator, best in zip(evaluators, (0.75, -1), strict=True):
        evaluator.state.best_metric, evaluator.state.best_metric_epoch = best, 2
    for evaluator, epochs in zip(evaluators, (2, 3), strict=True):
        run = TinyRun(epochs=epochs)
        run.run(checkpoint(run, tmp_path / "c.pt", evaluator=evaluator, resume=True))
    assert evaluators[1].state.best_metric == 0.75


def test_an_existing_run_is_not_overwritten(tmp_path):
    train(tmp_path / "c.pt", epochs=1)
    before = (tmp_path / "c.pt").read_bytes()
    with pytest.raises(
        InputError, match=r"c\.pt: checkpoint of an earlier run; continue that run with `--resume True`"
    ):
        train(tmp_path / "c.pt", epochs=1)
    assert (tmp_path / "c.pt").read_bytes() == before


def test_nothing_to_resume_starts_anew_and_says_so(tmp_path, caplog):
    train(tmp_path / "c.pt", epochs=1, resume=True)
    assert "no checkpoint to resume from" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 4}, "written with batch_size x accumulation_steps x processes 2, but this run has 4"),
        ({"epoch_length": 5}, "written with epoch_length 3, but this run has 5"),
    ],
)
def test_settings_of_another_run_are_an_error(tmp_path, settings, message):
    train(tmp_path / "c.pt", epochs=1)
    with pytest.raises(InputError, match=message):
        train(tmp_path / "c.pt", epochs=2, resume=True, **settings)


def test_a_checkpoint_of_other_objects_is_an_error(tmp_path):
    train(tmp_path / "c.pt", epochs=1)
    run = TinyRun()
    schedule = torch.optim.lr_scheduler.ConstantLR(run.optimizer)
    with pytest.raises(InputError, match="the checkpoint lacks lr_scheduler, so it does not fit this run"):
        run.run(checkpoint(run, tmp_path / "c.pt", objects={"lr_scheduler": schedule}, resume=True))


def killed_while_writing(path):
    def half(content, partial, record):
        partial.write_bytes(b"PK half a checkpoint")
        os._exit(9)  # as kill -9: no clean-up runs

    writer.save_plain = half
    train(path, epochs=3, resume=True)


def test_a_kill_during_the_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.pt"
    whole = train(tmp_path / "whole.pt", epochs=3)
    train(path, epochs=2)
    before = path.read_bytes()
    process = multiprocessing.get_context("fork").Process(target=killed_while_writing, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert len(partial_files(tmp_path)) == 1  # the half
    assert path.read_bytes() == before
    assert (tmp_path / "c.pt.sha256").read_text(encoding="utf-8").split()[0] == sha256_of(path)
    assert torch.equal(train(path, epochs=3, resume=True, seed=7).weights, whole.weights)
    assert not partial_files(tmp_path)  # cleaned up by the next run


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path, monkeypatch):
    train(tmp_path / "c.pt", epochs=1)
    before = (tmp_path / "c.pt").read_bytes()

    def full(content, partial, record):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "save_plain", full)
    with pytest.raises(InputError, match=r"c\.pt: cannot be written .*No space left"):
        train(tmp_path / "c.pt", epochs=2, resume=True)
    assert (tmp_path / "c.pt").read_bytes() == before
    assert visible(tmp_path) == ["c.pt", "c.pt.sha256", "checkpoints"]
    assert (tmp_path / "checkpoints" / "checkpoint_0000003.pt").read_bytes() == before


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each process says in each case, and whether it has a checkpoint then."""
    folder = tmp_path_factory.mktemp("processes")
    for case, iterations in CASES.items():
        for rank, iteration in enumerate(iterations):
            (folder / case / str(rank)).mkdir(parents=True)
            if iteration is not None:
                _write(folder / case / str(rank) / "c.pt", iteration)
    on_processes(on_process, folder, folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def _write(path, iteration):
    # the batch of two processes
    run = TinyRun(epochs=iteration // 3, batch_size=4)
    objects = {"network": run.network, "optimizer": run.optimizer}
    run.run(TrainingCheckpoint(objects=objects, sampler=run.sampler, path=path))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("first", "c.pt: exists for process 0 of this run, but not for 1; all processes must share one output_dir"),
        ("second", "c.pt: exists for process 1 of this run, but not for 0; all processes must share one output_dir"),
        ("iterations", "c.pt: processes of this run read different iterations from it; all processes must share one"),
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
