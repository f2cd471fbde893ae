"""Training of the AMOS bundle by the command line a user types."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch
from command_lines import (
    AMOS,
    REPOSITORY,
    bundle_command,
    environment,
    losses,
    read_log,
    run_bundle,
    run_preloaded,
    tensorboard_writers,
)
from in_process import run_here
from tiny_settings import TINY


def test_writes_model_checkpoint_and_logs(training_overrides, tmp_path):
    run_bundle(["train"], training_overrides, run_id="training")
    output = tmp_path / "run"
    model = torch.load(output / "model.pt", weights_only=True)
    assert model["decoder.head.weight"].shape == (16, 16, 1, 1)
    digest, name = (output / "model.pt.sha256").read_text(encoding="utf-8").split()
    assert (len(digest), name) == (64, "model.pt")
    log = read_log(output)
    steps = [line for line in log if "loss" in line]
    assert [line["iteration"] for line in steps] == [1, 2, 3, 4, 5, 6]
    # linear decay to 0 of both learning rates, encoder first
    assert [round(line["learning_rates"][1], 9) for line in steps] == [2.5e-4, 2e-4, 1.5e-4, 1e-4, 5e-5, 0]
    assert steps[0]["learning_rates"][0] == pytest.approx(steps[0]["learning_rates"][1] / 10)
    (validation,) = [line["validation"] for line in log if "validation" in line]
    assert 0 <= validation["val_mean_dice"] <= 1
    assert 0 <= validation["dice/liver"] <= 1
    assert list((output / "tensorboard").iterdir())


@pytest.mark.slow
def test_two_processes_with_batches_in_pieces_give_the_losses_of_one_with_the_whole_batch(training_overrides, tmp_path):
    one = {**training_overrides, "drop_path_rate": 0.0, "batch_size": 4}
    # a checkpoint before the first validation: what the processes do together must come in one order
    one |= {"epochs": 2, "iterations_per_epoch": 3, "validation_interval": 2}
    run_bundle(["train"], one)
    # and each its batch in two pieces
    two = {**one, "output_dir": str(tmp_path / "two"), "model_path": str(tmp_path / "two/model.pt")}
    two |= {"batch_size": 1, "accumulation_steps": 2}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    run_bundle(["train", "multi_gpu_train"], two, launcher=torchrun)
    expected, found = losses(tmp_path / "run"), losses(tmp_path / "two")
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert [found[i] for i in range(1, 7)] == pytest.approx([expected[i] for i in range(1, 7)], rel=1e-5)
    assert len(tensorboard_writers(tmp_path / "two")) == 1
    names = {path.name for path in (tmp_path / "run").iterdir()} - {"cache"}
    assert names == {path.name for path in (tmp_path / "two").iterdir()} - {"cache"}


def test_a_batch_in_pieces_gives_the_losses_of_the_whole_and_may_be_divided_anew(training_overrides, tmp_path):
    one = {**training_overrides, "drop_path_rate": 0.0, "batch_size": 4}
    run_here(["train"], one)
    pieces = {**one, "output_dir": str(tmp_path / "pieces"), "model_path": str(tmp_path / "pieces/model.pt")}
    pieces |= {"batch_size": 1, "accumulation_steps": 4, "activation_checkpointing": True}
    run_here(["train"], pieces)
    expected, found = losses(tmp_path / "run"), losses(tmp_path / "pieces")
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert [found[i] for i in range(1, 7)] == pytest.approx([expected[i] for i in range(1, 7)], rel=1e-5)
    models = [torch.load(tmp_path / run / "model.pt", weights_only=True) for run in ("run", "pieces")]
    assert models[0].keys() == models[1].keys()
    run_here(["train"], {**pieces, "epochs": 3, "resume": True, "batch_size": 2, "accumulation_steps": 2})
    assert max(losses(tmp_path / "pieces")) == 9


def test_fp16_scales_the_loss_and_keeps_the_scale(training_overrides, tmp_path):
    half = {**training_overrides, "amp": "fp16", "drop_path_rate": 0.0}
    run_here(["train"], {**half, "epochs": 1, "validation_interval": 1})
    content = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert content["loss_scaling"]["scale"] > 1
    run_here(["train"], {**half, "validation_interval": 1, "resume": True})
    lines = [line for line in read_log(tmp_path / "run") if "loss" in line]
    assert lines[3]["loss_scale"] == content["loss_scaling"]["scale"]
    other = {**half, "amp": False, "output_dir": str(tmp_path / "fp32"), "model_path": str(tmp_path / "fp32/model.pt")}
    run_here(["train"], other)
    assert losses(tmp_path / "run")[1] == pytest.approx(losses(tmp_path / "fp32")[1], rel=0.01)


@pytest.mark.slow
def test_killed_run_resumes_with_the_same_losses(training_overrides, tmp_path):
    settings = {**training_overrides, "epochs": 4, "iterations_per_epoch": 4, "num_workers": 2, "drop_path_rate": 0.3}
    run_bundle(["train"], settings)
    killed = {**settings, "output_dir": str(tmp_path / "killed"), "model_path": str(tmp_path / "killed/model.pt")}
    process = subprocess.Popen(bundle_command(["train"], killed), env=environment(), stderr=subprocess.DEVNULL)
    log = tmp_path / "killed" / "log.jsonl"
    deadline = time.time() + 120
    while not (log.exists() and len(log.read_text(encoding="utf-8").splitlines()) >= 6) and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = losses(tmp_path / "killed")
    assert 5 <= max(before) < 16, "the run was to be killed in its middle"
    run_bundle(["train"], {**killed, "resume": True})
    assert losses(tmp_path / "killed") == losses(tmp_path / "run")  # bitwise
    for name in ("model.pt", "checkpoint.pt"):
        assert torch.load(tmp_path / "killed" / name, weights_only=True).keys()
    final = [torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["network"] for run in ("run", "killed")]
    assert all(torch.equal(final[0][key], final[1][key]) for key in final[0])


def test_a_finished_run_is_not_overwritten(training_overrides):
    run_here(["train"], training_overrides)
    again = run_bundle(["train"], training_overrides, check=False)
    assert again.returncode != 0
    assert "--resume True" in again.stderr


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [({"max_epoch": 3}, "epochs"), ({"train::trainer::max_epoch": 3}, "train::trainer::max_epochs")],
)
def test_unknown_override_is_an_error_with_a_suggestion(training_overrides, override, suggestion):
    done = run_bundle(["train"], {**training_overrides, **override}, check=False)
    assert done.returncode != 0
    (key,) = override
    assert f"no key '{key}': did you mean '{suggestion}'?" in done.stderr


def test_runs_from_the_folder_of_the_bundle(training_overrides):
    overrides = {**training_overrides, "epochs": 1, "iterations_per_epoch": 1, "validation_interval": 1}
    command = bundle_command(["train"], overrides)
    command[command.index("--config_file") + 1] = "configs/train.json"
    done = run_preloaded(*command, cwd=AMOS)
    assert done.returncode == 0, done.stderr[-3000:]


def test_settings_are_those_published():
    config = json.loads((REPOSITORY / "bundles/meddinov3_seg_amos/configs/train.json").read_text(encoding="utf-8"))
    assert config["roi_size"] == [896, 896]
    assert (config["epochs"], config["iterations_per_epoch"]) == (1000, 250)
    assert (config["learning_rate"], config["encoder_learning_rate"]) == (3e-4, 3e-5)
    assert (config["betas"], config["weight_decay"], config["clip_norm"]) == ([0.9, 0.98], 0.05, 12.0)
    assert config["drop_path_rate"] == 0.2
    assert {key.partition("::")[0] for key in TINY} <= set(config)
