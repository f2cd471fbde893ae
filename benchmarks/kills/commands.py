"""The commands that are killed, on tiny generated data, and what has to be the same after every run of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import run
from random_weights import write_random_weights

from meddino_components.bundle import package, segment
from meddino_components.data import curate
from meddino_components.phantoms import write_phantoms

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from command_lines import AMOS, BENCHMARK, PRETRAIN  # noqa: E402
from slice_stores import random_slices, write_store  # noqa: E402
from tiny_settings import TINY, TINY_PRETRAINING  # noqa: E402


@dataclass
class Command:
    """One command: how it runs into a folder, and which of its files are compared.

    Attributes:
        name: for the table.
        start: runs it; the argument is the folder.
        compared: patterns of files that are equal after every run.
        beside_users: whether it takes a folder that holds files of the user's.
    """

    name: str
    start: Callable[[Path], Any]
    compared: tuple[str, ...]
    beside_users: bool = True
    alone: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def commands(data: Path) -> list[Command]:
    """All six, with what they read below ``data``."""
    phantoms = write_phantoms(data / "phantoms", n_ct=3, n_val_ct=0, in_plane_px=48, slice_mm=(28.0, 30.0))
    model, store = data / "model.pt", data / "store"
    write_random_weights(AMOS, model, ("train", "laptop"))
    write_store(store, [random_slices((48, 64), n=6, seed=seed) for seed in range(2)])
    _write_pictures(data / "pictures.npz")
    train = {**TINY, "dataset_dir": str(phantoms), "n_folds": 3, "resume": True, "checkpoint_interval": 1}
    train["cache_dir"] = str(data / "cache")
    pretrain = {**TINY_PRETRAINING, "epochs": 3, "iterations_per_epoch": 2, "store": str(store), "resume": True}
    classify = {"dataset_dir": str(data / "pictures.npz"), "size_px": 32, "batch_size": 4, "n_resamples": 20}
    quiet = {"num_workers": 0, "progress": False, "amp": False}
    return [
        Command(
            "segment",
            lambda out: segment(phantoms / "imagesTr", out, AMOS, "ct", model, "laptop"),
            ("*.nii.gz",),
        ),
        Command(
            "fine-tuning",
            lambda out: _bundle(
                AMOS, ["train", "laptop"], {**train, "output_dir": str(out), "model_path": str(out / "model.pt")}
            ),
            ("model.pt", "checkpoint.pt"),
        ),
        Command(
            "pretraining",
            lambda out: _bundle(
                PRETRAIN,
                ["train", "laptop"],
                {**pretrain, "output_dir": str(out), "teacher_path": str(out / "teacher.safetensors")},
            ),
            ("teacher.safetensors", "teachers/*.safetensors"),
        ),
        Command(
            "curate",
            lambda out: curate(
                str(phantoms / "imagesTr"), str(out), modality="ct", num_workers=0, progress=False, contact_sheet=False
            ),
            ("store.json", "volumes-*", "slices-*", "volumes/*/*"),
            beside_users=False,
        ),
        Command(
            "embeddings",
            lambda out: _bundle(BENCHMARK, ["classify", "laptop"], {**classify, **quiet, "output_dir": str(out)}),
            ("classification.csv",),
        ),
        Command("package", lambda out: package(AMOS, out), ("*.zip", "*.sha256", "model_info.json")),
    ]


def _bundle(bundle: Path, names: list[str], overrides: dict[str, Any]) -> None:
    run(config_file=[str(bundle / "configs" / f"{name}.json") for name in names], **overrides)


def _write_pictures(path: Path) -> None:
    rng, arrays = np.random.default_rng(0), {}
    for split, n in (("train", 12), ("val", 6), ("test", 12)):
        arrays[f"{split}_images"] = rng.integers(0, 255, (n, 28, 28)).astype(np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 2)[:, None].astype(np.uint8)
    np.savez_compressed(path, **arrays)
