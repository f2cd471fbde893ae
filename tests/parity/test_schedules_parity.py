"""Schedules against the official ones, iteration by iteration."""

import numpy as np
import pytest

from meddino_components.training.schedules import (
    WarmupCosine,
    cosine_schedule,
    cosine_schedules,
    warmup_cosine_schedule,
    warmup_cosine_schedules,
)

NAMES = {
    "lr": "lr",
    "last_layer_lr": "last_layer_lr",
    "wd": "weight_decay",
    "momentum": "ema_momentum",
    "teacher_temp": "teacher_temp",
}
# ours from the official arguments
RENAMED = {
    "base_value": "peak",
    "final_value": "end",
    "total_iters": "total_iterations",
    "warmup_iters": "warmup_iterations",
    "start_warmup_value": "start",
    "freeze_iters": "frozen_iterations",
    "trunc_extra": "truncate_extra",
}
# the recorded runs' settings that differ from the official defaults are recorded, these are not
EPOCH_LENGTH, EPOCHS, BATCH_SIZE = 5, 12, 32


@pytest.fixture
def recorded(golden_tensors):
    return {name: value.numpy() for name, value in golden_tensors("schedules/schedules.safetensors").items()}


def check(schedule, values):
    np.testing.assert_allclose([schedule[i] for i in range(len(values))], values, rtol=0, atol=1e-12)


def test_single_schedules(recorded, golden_json):
    compared = 0
    for name, arguments in golden_json("schedules/settings.json").items():
        if name.startswith("linear_warmup_cosine_decay."):
            schedule = warmup_cosine_schedule(**arguments)
        elif name.startswith("CosineScheduler."):
            schedule = cosine_schedule(**{RENAMED[key]: value for key, value in arguments.items()})
            assert schedule[len(schedule)] == schedule[10**6] == recorded[f"{name}.past_end"]
        else:
            continue
        assert len(schedule) == len(recorded[name])
        check(schedule, recorded[name])
        compared += 1
    assert compared


def test_schedules_of_the_older_settings(recorded, golden_json):
    settings = golden_json("schedules/settings.json")["build_schedulers.cfg_overrides"]
    schedules = cosine_schedules(
        epoch_length=settings["train"]["OFFICIAL_EPOCH_LENGTH"], **settings["optim"], **settings["teacher"]
    )
    for theirs, ours in NAMES.items():
        check(getattr(schedules, ours), recorded[f"build_schedulers.{theirs}"])


@pytest.mark.parametrize("rule", ["none", "linear_wrt_256", "sqrt_wrt_1024"])
def test_schedules_of_the_newer_settings(recorded, golden_json, rule):
    settings = golden_json("schedules/settings.json")["build_schedulers_v2.cfg_overrides"]["schedules"]
    freeze = settings["lr"].pop("freeze_last_layer_epochs")
    schedules = warmup_cosine_schedules(
        epoch_length=EPOCH_LENGTH,
        epochs=EPOCHS,
        lr=WarmupCosine(**settings["lr"]),
        weight_decay=WarmupCosine(**settings["weight_decay"]),
        momentum=WarmupCosine(**settings["momentum"]),
        teacher_temp=WarmupCosine(**settings["teacher_temp"]),
        freeze_last_layer_epochs=freeze,
        global_batch_size=BATCH_SIZE,
        scaling_rule=rule,
    )
    for theirs, ours in NAMES.items():
        check(getattr(schedules, ours), recorded[f"build_schedulers_v2.{rule}.{theirs}"])
