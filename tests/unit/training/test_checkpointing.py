"""Checkpoints from which a run goes on exactly."""

import multiprocessing
import os

import pytest
import torch
from ignite.engine import Engine, Events
from tiny_trainer import TinyRun
from visible_files import partial_files, visible

from meddino_components.checkpoints import sha256_of, writer
from meddino_components.errors import InputError
from meddino_components.training import RunFolder, TrainingCheckpoint


def checkpoint(run, path, **kwargs):
    objects = {"network": run.network, "optimizer": run.optimizer, **kwargs.pop("objects", {})}
    return TrainingCheckpoint(objects=objects, sampler=run.sampler, path=path, **kwargs)


def train(path, *, resume=False, start_seed=0, interval=1, **kwargs):
    run = TinyRun(**kwargs)
    torch.manual_seed(start_seed)  # of the dropout
    return run.run(checkpoint(run, path, resume=resume, interval=interval))


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
    written, save = [], writer._save_plain
    monkeypatch.setattr(writer, "_save_plain", lambda c, *args: written.append(c["iteration"]) or save(c, *args))
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
    with pytest.raises(InputError, match=r"c\.pt holds a training run: go on with it by `--resume True`"):
        train(tmp_path / "c.pt", epochs=1)
    assert (tmp_path / "c.pt").read_bytes() == before


def test_nothing_to_resume_starts_anew_and_says_so(tmp_path, caplog):
    train(tmp_path / "c.pt", epochs=1, resume=True)
    assert "nothing to resume from" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 4}, "written with batch_size x accumulation_steps x processes 2, this run has 4"),
        ({"epoch_length": 5}, "written with epoch_length 3, this run has 5"),
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
    with pytest.raises(InputError, match="no checkpoint of this training: lr_scheduler missing"):
        run.run(checkpoint(run, tmp_path / "c.pt", objects={"lr_scheduler": schedule}, resume=True))


def killed_while_writing(path):
    def half(content, partial, record):
        partial.write_bytes(b"PK half a checkpoint")
        os._exit(9)  # as kill -9: no clean-up runs

    writer._save_plain = half
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

    monkeypatch.setattr(writer, "_save_plain", full)
    with pytest.raises(InputError, match=r"c\.pt: cannot be written .*No space left"):
        train(tmp_path / "c.pt", epochs=2, resume=True)
    assert (tmp_path / "c.pt").read_bytes() == before
    assert visible(tmp_path) == ["c.pt", "c.pt.sha256", "checkpoints"]
    assert (tmp_path / "checkpoints" / "checkpoint_0000003.pt").read_bytes() == before


def iterations(folder):
    return sorted(
        torch.load(path, weights_only=True)["iteration"] for path in (folder / "checkpoints").glob("checkpoint_*.pt")
    )


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, [12, 15]), ({"kept": 1}, []), ({"kept": 2, "kept_every": 2}, [6, 12, 15]), ({"kept": 9}, [3, 6, 9, 12, 15])],
)
def test_the_last_ones_and_every_nth_are_kept(tmp_path, settings, kept):
    run = TinyRun(epochs=6)
    run.run(checkpoint(run, tmp_path / "checkpoint.pt", **settings))
    assert iterations(tmp_path) == kept
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["iteration"] == 18
    for path in (tmp_path / "checkpoints").glob("*.pt"):
        digest, name = (path.parent / f"{path.name}.sha256").read_text(encoding="utf-8").split()
        assert (digest, name) == (sha256_of(path), path.name)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("sidecar", [True, False])
@pytest.mark.parametrize("damage", [flip_a_bit, cut_in_half])
def test_a_damaged_checkpoint_is_refused_and_the_whole_one_before_it_named(tmp_path, damage, sidecar):
    whole = train(tmp_path / "whole.pt", epochs=4)
    path, before = tmp_path / "run" / "checkpoint.pt", tmp_path / "run" / "checkpoints" / "checkpoint_0000006.pt"
    train(path, epochs=3)
    damage(path)
    if not sidecar:
        path.with_name("checkpoint.pt.sha256").unlink()
    with pytest.raises(InputError) as error:
        train(path, epochs=4, resume=True)
    assert str(error.value).startswith(f"{path}: damaged, ")
    assert str(error.value).endswith(f"go on from that by `--resume {before}`")
    assert "\n" not in str(error.value)
    # the one before gives the run that was not damaged, in the folder of a run that goes on
    RunFolder(output_dir=path.parent, files=[path], adopt_files=True)
    assert torch.equal(train(path, epochs=4, resume=str(before), seed=7).weights, whole.weights)
    assert iterations(tmp_path / "run") == [6, 9]


def test_nothing_whole_says_so(tmp_path):
    path = tmp_path / "checkpoint.pt"
    train(path, epochs=2)
    for each in (path, *(tmp_path / "checkpoints").glob("*.pt")):
        flip_a_bit(each)
    with pytest.raises(InputError, match="no whole checkpoint before it: begin a new run in another --output_dir"):
        train(path, epochs=3, resume=True)


def settled(path, settings, **kwargs):
    run = TinyRun(epochs=kwargs.pop("epochs", 1))
    return run.run(checkpoint(run, path, settings=settings, **kwargs))


def test_contradicting_settings_are_named_with_both_values(tmp_path):
    path = tmp_path / "c.pt"
    settled(path, {"fold": 0, "pixdim": [0.5, 0.5], "a::b": "x"})
    with pytest.raises(InputError) as error:
        settled(path, {"fold": 1, "pixdim": [0.7, 0.7], "a::c": "x"}, epochs=2, resume=True)
    said = str(error.value)
    for part in (
        "fold 0 (this run: 1)",
        "pixdim [0.5, 0.5] (this run: [0.7, 0.7])",
        "a::b x (this run: nothing)",
        "--changed_on_resume \"['fold']\"",
    ):
        assert part in said
    changed = settled(
        path, {"fold": 1, "a::b": "y", "pixdim": [0.5, 0.5]}, epochs=2, resume=True, changed=["fold", "a"]
    )
    assert changed.trainer.state.iteration == 6


def scheduled(path, epochs, rate=0.05, **kwargs):
    run, rates = TinyRun(epochs=epochs), []
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    schedule = torch.optim.lr_scheduler.PolynomialLR(run.optimizer, total_iters=3 * epochs)
    run.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda _: (rates.append(run.optimizer.param_groups[0]["lr"]), schedule.step())
    )
    run.run(checkpoint(run, path, objects={"lr_scheduler": schedule}, **kwargs))
    return rates


def test_the_schedule_follows_more_epochs_and_another_rate(tmp_path):
    expected = scheduled(tmp_path / "whole.pt", 4)
    scheduled(tmp_path / "c.pt", 2)
    assert scheduled(tmp_path / "c.pt", 4, resume=True) == pytest.approx(expected[6:])
    scheduled(tmp_path / "d.pt", 2)
    halved = scheduled(tmp_path / "d.pt", 4, rate=0.025, resume=True)
    assert halved == pytest.approx([rate / 2 for rate in expected[6:]])
