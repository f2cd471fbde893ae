"""Pretraining by the shipped ``train.json``: alone, under DDP and FSDP2 with one process (NCCL on CUDA, else Gloo)."""

from __future__ import annotations

import sys
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from .bundles import PRETRAIN, command_of, largest_difference, losses, run
from .check import REPOSITORY, Figures, Place, needs, require

sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from tiny_settings import TINY_PRETRAINING

_TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1", "-m")
# relative; other kernels, and on CUDA sums by atomic additions
_TOLERANCE = {"cpu": 1e-5, "cuda": 1e-3}
_N_ITERATIONS = 6


def check_pretraining(place: Place, figures: Figures) -> None:
    """Six iterations of stage 1 on a small store."""
    figures["losses"] = list(_run(place, "pretrained", ["train"]).values())
    require(all(map(isfinite, figures["losses"])), "a loss is no finite number")
    require((place.folder / "pretrained" / "teacher.safetensors").is_file(), "no teacher was written")


def check_ddp(place: Place, figures: Figures) -> None:
    """The same losses under DDP."""
    _check_same(place, figures, "ddp", ["train", "multi_gpu_train"])


def check_fsdp(place: Place, figures: Figures) -> None:
    """The same losses under FSDP2."""
    _check_same(place, figures, "fsdp", ["train", "multi_gpu_train", "multi_gpu_fsdp"])


def _check_same(place: Place, figures: Figures, name: str, configs: list[str]) -> None:
    alone = losses(place.folder / "pretrained")
    if len(alone) != _N_ITERATIONS:
        alone = _run(place, "pretrained_again", ["train"])
    found = _run(place, name, configs, launcher=_TORCHRUN)
    figures["losses"] = list(found.values())
    figures["largest_difference"] = apart = largest_difference(found, alone)
    allowed = _TOLERANCE[place.device.type]
    require(apart <= allowed, f"losses differ by {apart:.3g} (relative) from those without it, allowed {allowed:g}")


def _run(place: Place, name: str, configs: list[str], launcher: tuple[str, ...] = ()) -> dict[int, float]:
    output = place.folder / name
    overrides = {
        **TINY_PRETRAINING,
        "store": str(_store(place)),
        # the random scale of the rotation has a generator of each process
        "network_def::pos_embed_rope_rescale_coords": 1.0,
        "network_def::pos_embed_rope_dtype": "fp32",
        "extra_keys": [f"random_start::{key}" for key in ("embed_dim", "depth", "layerscale_init")],
        "iterations_per_epoch": _N_ITERATIONS // 2,
        "output_dir": str(output),
        "teacher_path": str(output / "teacher.safetensors"),
    }
    run(place, command_of(PRETRAIN, configs, overrides, launcher), name)
    found = losses(output)
    require(sorted(found) == list(range(1, _N_ITERATIONS + 1)), f"iterations {sorted(found)} were logged")
    return found


def _store(place: Place) -> Path:
    """Random slices of two CT volumes."""
    needs("blosc2")
    from meddino_components.data.slice_store.writer import store_volume, write_index

    root = place.folder / "store"
    if (root / "store.json").exists():
        return root
    stored: list[Any] = []
    for number in range(2):
        slices = np.random.default_rng(number).integers(-1024, 3000, (6, 48, 64)).astype(np.int16)
        stored.append(
            store_volume(
                root,
                slices,
                numbers=np.arange(6),
                source_set="random",
                case_id=f"case_{number}",
                file=f"case_{number}.nii.gz",
                modality="ct",
                source_slices=6,
                spacing_mm=(0.5, 0.7, 3.0),
            )
        )
    write_index(root, stored)
    return root
