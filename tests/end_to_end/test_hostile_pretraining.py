"""Pretraining on little data, with settings that cannot be, and killed when it should not be."""

import signal

import numpy as np
import psutil
import pytest
import torch
from command_lines import PRETRAIN, TORCHRUN, check_one_killed_ends_both, losses, wait_for_lines
from in_process import cause, run_here
from slice_stores import random_slices, write_store

from meddino_components.checkpoints import sha256_of
from meddino_components.errors import input_error


def pretrain(configs, overrides):
    run_here(configs, overrides, bundle=PRETRAIN)


@pytest.mark.parametrize("changes", [{"batch_size": 5}, {"batch_size": 1, "koleo_weight": 0.0}])
def test_a_batch_of_one_and_a_store_smaller_than_a_batch(pretraining_overrides, tmp_path, changes):
    store = tmp_path / "small"
    write_store(store, [random_slices((48, 64), n=3, seed=0)])
    pretrain(["train"], {**pretraining_overrides, "store": str(store), **changes})
    found = losses(tmp_path / "run")
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert np.isfinite(list(found.values())).all()


def test_a_batch_of_one_has_no_neighbours(pretraining_overrides):
    with pytest.raises(RuntimeError, match="Failed to") as error:
        pretrain(["train"], {**pretraining_overrides, "batch_size": 1})
    assert "increase the batch size or omit the KoLeo loss" in str(cause(error.value))


STAGE_3_CROPS = {
    "global_crops_size": [64, 96],
    "local_crops_size": [32, 48],
    "gram_teacher_crops_size": [96, 128],
    "size_ratios": [0.5, 0.5],
}


@pytest.mark.parametrize(
    ("config", "changes", "said"),
    [
        ("train", {"max_epoch": 3}, "no key 'max_epoch': did you mean 'epochs'?"),
        ("stage2_gram", {"gram_wieght": 2.0}, "no key 'gram_wieght': did you mean 'gram_weight'?"),
        ("stage2_gram", {}, "no such file, but stage 2 starts from this checkpoint: run stage 1"),
        (
            "stage3_highres",
            STAGE_3_CROPS,
            "no such file, but stage 3 starts from this checkpoint: run stage 2",
        ),
        ("train", {"store": "nowhere"}, "nowhere"),
        ("train", {"weights": "lost.pth"}, "lost.pth"),
        ("train", {"progress": "false"}, "'progress' is the text 'false': write False"),
    ],
)
def test_settings_that_cannot_be_are_named(pretraining_overrides, tmp_path, config, changes, said):
    if config != "train":
        del pretraining_overrides["weights"]  # later stages begin from a checkpoint
    with pytest.raises(RuntimeError, match="Failed to") as error:
        pretrain([config], {**pretraining_overrides, **changes})
    found = input_error(error.value)
    assert found is not None, cause(error.value)
    assert said in str(found)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_spares_the_checkpoint(pretraining_overrides, tmp_path):
    pretrain(["train"], {**pretraining_overrides, "epochs": 1, "total_iterations": 6})
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    before = sha256_of(checkpoint)
    absurd = {"learning_rate": 1e30, "resume": True, "freeze_last_layer_iterations": 0}
    absurd["changed_on_resume"] = ["learning_rate", "freeze_last_layer_iterations"]
    with pytest.raises(RuntimeError, match="Failed to") as error:
        pretrain(["train"], {**pretraining_overrides, **absurd})
    assert isinstance(cause(error.value), FloatingPointError)
    assert "training stops" in str(cause(error.value))
    assert (
        sha256_of(checkpoint)
        == before
        == (tmp_path / "run" / "checkpoint.pt.sha256").read_text(encoding="utf-8").split()[0]
    )
    assert torch.load(checkpoint, weights_only=True)["iteration"] == 3


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_to_go_on_from(pretraining_overrides, tmp_path, start):
    settings = {**pretraining_overrides, "epochs": 500, "num_workers": 2}
    process = start(["train"], settings, bundle=PRETRAIN)
    wait_for_lines(tmp_path / "run", 8, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) != 0
    assert psutil.wait_procs(children, timeout=15)[1] == []
    iteration = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["iteration"]
    assert 3 <= iteration <= max(losses(tmp_path / "run"))
    # the signal may come within an epoch
    epochs = iteration // 3 + 1
    pretrain(["train"], {**settings, "epochs": epochs, "resume": True, "num_workers": 0})
    assert sorted(losses(tmp_path / "run")) == list(range(1, 3 * epochs + 1))


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_one_process_of_two_killed_ends_the_other(pretraining_overrides, tmp_path, start, victim):
    settings = {**pretraining_overrides, "epochs": 500, "batch_size": 2}
    process = start(["train", "multi_gpu_train"], settings, launcher=TORCHRUN, bundle=PRETRAIN)
    wait_for_lines(tmp_path / "run", 8, process)
    check_one_killed_ends_both(process, victim)
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["iteration"] >= 3
