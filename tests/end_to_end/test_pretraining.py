"""Pretraining by the command lines a user types, on a small slice store."""

import json
import random
import signal
import subprocess
import time

import pytest
import torch
from command_lines import (
    PRETRAIN,
    TORCHRUN,
    bundle_command,
    environment,
    losses,
    read_log,
    run_bundle,
    tensorboard_writers,
)


def elsewhere(pretraining_overrides, folder, **changed):
    return {
        **pretraining_overrides,
        "output_dir": str(folder),
        "teacher_path": str(folder / "teacher.safetensors"),
        **changed,
    }


def pretrain(configs, pretraining_overrides, **kwargs):
    return run_bundle(configs, pretraining_overrides, bundle=PRETRAIN, **kwargs)


def test_stage_1_writes_teachers_checkpoint_and_logs(pretraining_overrides, tmp_path):
    pretrain(["train"], pretraining_overrides, run_id="training")
    run = tmp_path / "run"
    log = read_log(run)
    assert [line["iteration"] for line in log] == [1, 2, 3, 4, 5, 6]
    for name in ("loss", "dino_local_loss", "dino_global_loss", "koleo_loss", "ibot_loss", "gradient_norm_backbone"):
        assert all(line[name] > 0 or name == "koleo_loss" for line in log), name
    assert "monitor/cls_effective_rank" in log[1]
    assert [path.name for path in sorted((run / "teachers").glob("*.safetensors"))] == [
        f"teacher_000000{number}.safetensors" for number in (2, 4, 6)
    ]
    payload = torch.load(run / "checkpoint.pt", weights_only=True)
    assert payload["manifest"]["stage"] == 1
    assert payload["iteration"] == 6
    assert (run / "teacher.safetensors.sha256").is_file()
    assert list((run / "tensorboard").iterdir())


@pytest.mark.slow
def test_the_three_stages_run_in_a_row(pretraining_overrides, tmp_path):
    pretrain(["train"], pretraining_overrides)
    second = elsewhere(
        pretraining_overrides, tmp_path / "second", previous_checkpoint=str(tmp_path / "run" / "checkpoint.pt")
    )
    del second["weights"]  # it begins from the checkpoint
    second |= {
        "gram_weights": str(tmp_path / "run/teachers/teacher_0000002.safetensors"),
        "gram_teacher_crops_size": 128,
    }
    pretrain(["stage2_gram"], second)
    assert all(line["gram_loss"] > 0 for line in read_log(tmp_path / "second"))
    third = elsewhere(second, tmp_path / "third", previous_checkpoint=str(tmp_path / "second" / "checkpoint.pt"))
    third |= {
        "gram_weights": "checkpoint",
        "global_crops_size": [64, 96],
        "local_crops_size": [32, 48],
        "gram_teacher_crops_size": [96, 128],
        "size_ratios": [0.5, 0.5],
    }
    pretrain(["stage3_highres"], third)
    assert torch.load(tmp_path / "third" / "checkpoint.pt", weights_only=True)["manifest"]["stage"] == 3
    refused = pretrain(
        ["stage3_highres"],
        elsewhere(third, tmp_path / "x", previous_checkpoint=str(tmp_path / "run/checkpoint.pt")),
        check=False,
    )
    assert refused.returncode != 0
    assert "comes from stage 1, expected stage 2: run stage 2" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["multi_gpu_train", "multi_gpu_fsdp"])
def test_two_processes_give_the_losses_of_one_with_twice_the_batch(pretraining_overrides, tmp_path, sharding):
    exact = {
        **pretraining_overrides,
        "network_def::pos_embed_rope_rescale_coords": 1.0,
        "network_def::pos_embed_rope_dtype": "fp32",
    }
    pretrain(["train"], exact)
    two = elsewhere(exact, tmp_path / "two", batch_size=2)
    pretrain(["train", sharding], two, launcher=TORCHRUN)
    expected, found = losses(tmp_path / "run"), losses(tmp_path / "two")
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert [found[i] for i in range(1, 7)] == pytest.approx([expected[i] for i in range(1, 7)], rel=1e-5)
    assert len(tensorboard_writers(tmp_path / "two")) == 1
    one, other = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("run", "two"))
    assert one["network"].keys() == other["network"].keys()
    for name, tensor in one["network"].items():
        torch.testing.assert_close(other["network"][name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_sharded_run_resumes(pretraining_overrides, tmp_path):
    pretrain(["train", "multi_gpu_fsdp"], pretraining_overrides, launcher=TORCHRUN)
    part = elsewhere(pretraining_overrides, tmp_path / "part", epochs=1)
    pretrain(["train", "multi_gpu_fsdp"], {**part, "total_iterations": 6}, launcher=TORCHRUN)
    pretrain(["train", "multi_gpu_fsdp"], {**part, "epochs": 2, "resume": True}, launcher=TORCHRUN)
    assert losses(tmp_path / "part") == pytest.approx(losses(tmp_path / "run"), rel=1e-6)


@pytest.mark.slow
def test_killed_four_times_gives_the_losses_of_a_whole_run(pretraining_overrides, tmp_path):
    settings = {
        **pretraining_overrides,
        "epochs": 16,
        "iterations_per_epoch": 5,
        "num_workers": 2,
        "drop_path_rate": 0.3,
    }
    pretrain(["train"], settings)
    killed = elsewhere(settings, tmp_path / "killed", resume=True)
    moments, kills = random.Random(0), 0
    log = tmp_path / "killed" / "log.jsonl"
    while kills < 4:
        seen = len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0
        command = bundle_command(["train"], killed, bundle=PRETRAIN)
        process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        # at least one epoch further, then at any moment of the next: computing, logging, writing the checkpoint
        while (
            process.poll() is None
            and (len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0) < seen + 1
        ):
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.4))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        if (tmp_path / "killed" / "checkpoint.pt").exists():
            assert torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)["iteration"] % 5 == 0
    assert kills == 4, "the run ended before it was killed four times"
    pretrain(["train"], killed)
    assert losses(tmp_path / "killed") == losses(tmp_path / "run")  # bitwise
    final = [torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["network"] for run in ("run", "killed")]
    assert all(torch.equal(final[0][key], final[1][key]) for key in final[0])


def test_published_numbers():
    stage1, stage2, stage3 = (
        json.loads((PRETRAIN / "configs" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("train", "stage2_gram", "stage3_highres")
    )
    iterations = [config["epochs"] * config["iterations_per_epoch"] for config in (stage1, stage2, stage3)]
    assert iterations == [100_000, 10_000, 10_000]
    assert [config["learning_rate"] for config in (stage1, stage2, stage3)] == [2e-4, 5e-5, 2.5e-5]
    assert [config["gram_weight"] for config in (stage1, stage2, stage3)] == [0.0, 2.0, 1.5]
    assert (stage1["global_crops_size"], stage1["local_crops_size"], stage1["n_local_crops"]) == (256, 112, 8)
    assert stage3["global_crops_size"] == [512, 768, 768, 768, 768]
    assert stage3["local_crops_size"] == [112, 112, 168, 224, 336]
    assert stage3["size_ratios"] == [0.3, 0.3, 0.3, 0.05, 0.05]
    assert (stage1["ema_momentum"], stage2["ema_momentum"]) == (0.994, 0.999)
    assert (stage1["layerwise_decay"], stage1["patch_embed_lr_mult"], stage1["clip_norm"]) == (0.9, 0.2, 3.0)
    assert (stage1["n_prototypes"], stage1["koleo_weight"], stage1["weight_decay"]) == (65536, 0.1, 0.04)
