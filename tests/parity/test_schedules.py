"""Schedules against the official ones, iteration by iteration."""

import json

import numpy as np
import pytest

from meddino_components.self_distillation.schedules import (
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
# of the official linear_wrt_256
REFERENCE_BATCH = 256


@pytest.fixture
def recorded(golden_tensors):
    return {name: value.numpy() for name, value in golden_tensors("schedules/schedules.safetensors").items()}


def check(schedule, values):
    np.testing.assert_allclose([schedule[i] for i in range(len(values))], values, rtol=0, atol=1e-12)


def lengths(settings, recorded):
    """Iterations an epoch, epochs and batch size of the newer settings: as recorded, else by what was recorded."""
    train, prefix = settings.get("train", {}), "build_schedulers_v2"
    schedules = settings["schedules"]
    lr, last_layer = (recorded[f"{prefix}.none.{name}"] for name in ("lr", "last_layer_lr"))
    epoch_length = train.get("OFFICIAL_EPOCH_LENGTH")
    if epoch_length is None:
        frozen, epochs = int(np.flatnonzero(last_layer)[0]), schedules["lr"]["freeze_last_layer_epochs"]
        if not epochs:  # the last value of a warm-up is the first at the peak
            frozen, epochs = int(np.argmax(lr)) + 1, schedules["lr"]["warmup_epochs"]
        epoch_length = frozen // epochs
    batch = train.get("batch_size_per_gpu")
    if batch is None:
        batch = round(REFERENCE_BATCH * recorded[f"{prefix}.linear_wrt_256.lr"].max() / lr.max())
    return epoch_length, settings.get("optim", {}).get("epochs", len(lr) // epoch_length), batch


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
    check_newer(golden_json("schedules/settings.json")["build_schedulers_v2.cfg_overrides"], recorded, rule)


def newer(settings, epoch_length, epochs, batch, rule):
    settings = json.loads(json.dumps(settings["schedules"]))
    freeze = settings["lr"].pop("freeze_last_layer_epochs")
    return warmup_cosine_schedules(
        epoch_length=epoch_length,
        epochs=epochs,
        lr=WarmupCosine(**settings["lr"]),
        weight_decay=WarmupCosine(**settings["weight_decay"]),
        momentum=WarmupCosine(**settings["momentum"]),
        teacher_temp=WarmupCosine(**settings["teacher_temp"]),
        freeze_last_layer_epochs=freeze,
        global_batch_size=batch,
        scaling_rule=rule,
    )


def check_newer(settings, recorded, rule):
    schedules = newer(settings, *lengths(settings, recorded), rule)
    for theirs, ours in NAMES.items():
        check(getattr(schedules, ours), recorded[f"build_schedulers_v2.{rule}.{theirs}"])


@pytest.mark.parametrize("known", [True, False], ids=["recorded", "inferred"])
@pytest.mark.parametrize("freeze", [0, 1])
def test_a_set_of_other_lengths(known, freeze):
    """7 iterations an epoch, 9 epochs and batches of 48, made with our own schedules."""
    settings = {
        "schedules": {
            "lr": {"start": 0.0, "peak": 0.002, "end": 1e-6, "warmup_epochs": 2, "freeze_last_layer_epochs": freeze},
            "weight_decay": {"start": 0.04, "peak": 0.04, "end": 0.2, "warmup_epochs": 0},
            "momentum": {"start": 0.99, "peak": 0.99, "end": 1.0, "warmup_epochs": 0},
            "teacher_temp": {"start": 0.04, "peak": 0.07, "end": 0.07, "warmup_epochs": 3},
        }
    }
    recorded = {}
    for rule in ("none", "linear_wrt_256", "sqrt_wrt_1024"):
        made = newer(settings, 7, 9, 48, rule)
        for theirs, ours in NAMES.items():
            recorded[f"build_schedulers_v2.{rule}.{theirs}"] = np.array([getattr(made, ours)[i] for i in range(63)])
    if known:
        settings |= {"train": {"OFFICIAL_EPOCH_LENGTH": 7, "batch_size_per_gpu": 48}, "optim": {"epochs": 9}}
    assert lengths(settings, recorded) == (7, 9, 48)
    check_newer(settings, recorded, "sqrt_wrt_1024")
