"""Fine-tuning by the shipped ``train.json``: validation, resume, repetition, and as MONAI Label calls it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from math import isfinite
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import torch
from random_weights import write_random_weights

from . import bundles
from .bundles import AMOS, TINY, command_of, losses, read_log, run, training_overrides
from .check import Failed, Figures, Place, require

# on CUDA sums by atomic additions come in any order; a few steps apart, losses of a sound run differ by less
_CUDA_TOLERANCE = 1e-3
_EPOCHS = 8  # of the run that is killed
_DETERMINISTIC = "determinism::use_deterministic_algorithms"


def check_fine_tuning(place: Place, figures: Figures) -> None:
    """Two epochs, each with a validation."""
    output = place.folder / "fine_tuning"
    overrides = training_overrides(place, output, epochs=2, iterations_per_epoch=3, validation_interval=1)
    run(place, command_of(AMOS, ["train"], overrides), "fine_tuning")
    validations = [line["validation"]["val_mean_dice"] for line in read_log(output) if "validation" in line]
    figures |= {"losses": list(losses(output).values()), "validation_dice": validations}
    require(
        sorted(losses(output)) == [1, 2, 3, 4, 5, 6], f"6 iterations were to be logged, got {sorted(losses(output))}"
    )
    require(all(map(isfinite, losses(output).values())), "a loss is no finite number")
    require(len(validations) == 2, f"2 validations were to be logged, got {len(validations)}")
    require(all(0 <= dice <= 1 for dice in validations), "a Dice is not within 0 and 1")
    state = torch.load(output / "model.pt", weights_only=True, map_location="cpu")
    require(isinstance(state, dict) and bool(state), "model.pt holds no weights")


def check_resume(place: Place, figures: Figures) -> None:
    """A run that is killed in its middle and goes on gives the losses of one that is not."""
    settings: dict[str, Any] = {"epochs": _EPOCHS, "iterations_per_epoch": 3, "validation_interval": _EPOCHS}
    whole, killed = place.folder / "whole", place.folder / "killed"
    run(place, command_of(AMOS, ["train"], training_overrides(place, whole, **settings)), "whole")
    overrides = training_overrides(place, killed, **settings)
    with (place.folder / "killed.said").open("wb") as stream:
        command = command_of(AMOS, ["train"], overrides)
        process = subprocess.Popen(command, cwd=place.folder, stdout=stream, stderr=subprocess.STDOUT)
        deadline = perf_counter() + 120
        while len(losses(killed)) < 5 and process.poll() is None and perf_counter() < deadline:
            sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    figures["killed_after"] = n = len(losses(killed))
    require(5 <= n < 3 * _EPOCHS, f"the run was to be killed in its middle, not after {n} of {3 * _EPOCHS} iterations")
    run(place, command_of(AMOS, ["train"], {**overrides, "resume": True}), "resumed")
    figures["largest_difference"] = apart = bundles.largest_difference(losses(killed), losses(whole))
    allowed = _CUDA_TOLERANCE if place.on_cuda else 0.0
    require(apart <= allowed, f"losses differ by {apart:.3g} (relative) from those of a whole run, allowed {allowed:g}")


def check_two_runs(place: Place, figures: Figures) -> None:
    """Two runs with one seed are equal; on CUDA with deterministic algorithms, if not as shipped."""
    figures["as_shipped"] = apart = _two_runs_apart(place, "shipped", {})
    if apart == 0.0:
        return
    require(place.on_cuda, f"losses of two runs with the same seed differ by {apart:.3g} (relative)")
    switch = {_DETERMINISTIC: True, "extra_keys": [_DETERMINISTIC]}
    figures["deterministic"] = apart = _two_runs_apart(place, "deterministic", switch)
    require(apart == 0.0, f"with {_DETERMINISTIC} losses of two runs still differ by {apart:.3g} (relative)")


def _two_runs_apart(place: Place, name: str, changed: dict[str, Any]) -> float:
    found = []
    for number in (1, 2):
        output = place.folder / f"{name}_{number}"
        settings = {"epochs": 1, "iterations_per_epoch": 6, "validation_interval": 1, **changed}
        overrides = training_overrides(place, output, **settings)
        # cuBLAS adds in one order only with a workspace of its own
        run(place, command_of(AMOS, ["train"], overrides), output.name, CUBLAS_WORKSPACE_CONFIG=":4096:8")
        found.append(losses(output))
    return bundles.largest_difference(found[1], found[0])


def check_monai_label(place: Place, figures: Figures) -> None:
    """Training as MONAI Label's server starts it: lists of paths instead of cases, its own loader of the weights."""
    bundle = _unpacked(place)
    data = bundles.data_set(place)
    drawn = [{"image": str(path), "label": str(data / "labelsTr" / path.name)} for path in _images(data)]
    request = {"root": str(bundle), "device": str(place.device), "train": drawn[:-1], "validate": drawn[-1:]}
    request_file = place.folder / "label_request.json"
    request_file.write_text(json.dumps(request), encoding="utf-8")
    before = (bundle / "models" / "model.pt").read_bytes()
    run(place, [sys.executable, "-m", "gpu.label_call", str(request_file)], "monai_label")
    (log,) = bundle.rglob("log.jsonl")
    figures["losses"] = list(losses(log.parent).values())
    figures["validation_dice"] = [
        line["validation"]["val_mean_dice"] for line in read_log(log.parent) if "validation" in line
    ]
    require(len(figures["losses"]) == 3, f"3 iterations were to be logged, got {len(figures['losses'])}")
    require(len(figures["validation_dice"]) == 1, f"1 validation was to be logged, got {figures['validation_dice']}")
    require((bundle / "models" / "model.pt").read_bytes() != before, "models/model.pt was not replaced")


def _images(data: Path) -> list[Path]:
    return sorted((data / "imagesTr").glob("*.nii.gz"))


def _unpacked(place: Place) -> Path:
    """The bundle as the server's folder of models holds it: small, with weights."""
    folder = place.folder / "label" / AMOS.name
    shutil.copytree(AMOS, folder, ignore=shutil.ignore_patterns("output", "models"))
    path = folder / "configs" / "train.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {key: value for key, value in {**TINY, "iterations_per_epoch": 3}.items() if key in config}
    for key in bundles.keys_of_tensorboard(config):
        _delete(config, key)
    path.write_text(json.dumps(config), encoding="utf-8")
    (folder / "models").mkdir()
    write_random_weights(AMOS, folder / "models" / "model.pt", overrides=TINY)
    return folder


def _delete(config: Any, key: str) -> None:
    """Remove a handler from the list that holds it."""
    *path, last = key.split("::")
    for part in path:
        config = config[int(part) if isinstance(config, list) else part]
    if not isinstance(config, list):
        raise Failed(f"{key} is in no list of handlers")
    del config[int(last)]
