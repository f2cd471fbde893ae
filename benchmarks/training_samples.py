"""Seconds a training sample, from the cache on disk to tensors of 896 x 896, in one process and one thread.

``train.json``'s transforms against nnU-Net's (batchgeneratorsv2) and against those of MONAI that were set before, which
draw other numbers. All read the same cached slices of a phantom, in turn.
Run: ``OMP_NUM_THREADS=1 python benchmarks/training_samples.py``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from augmentation_statistics import CONFIG
from batchgenerators_peer import nnunet_transforms
from common import timed_in_turn, write_results
from monai.bundle import ConfigParser
from monai.transforms import Compose, Randomizable

from meddino_components.data import SliceDataset, read_datalist
from meddino_components.phantoms import write_phantoms

SIDE = 896
BATCH, WORKERS = 8, 12
PREVIOUS = [
    {
        "_target_": "RandAffined",
        "keys": ["image", "label"],
        "prob": 0.36,
        "rotate_range": 3.1416,
        "scale_range": [[-0.3, 0.4], [-0.3, 0.4]],
        "spatial_size": [SIDE, SIDE],
        "mode": ["bilinear", "nearest"],
        "padding_mode": "border",
    },
    {"_target_": "CenterSpatialCropd", "keys": ["image", "label"], "roi_size": [SIDE, SIDE]},
    {"_target_": "RandFlipd", "keys": ["image", "label"], "prob": 0.5, "spatial_axis": 0},
    {"_target_": "RandFlipd", "keys": ["image", "label"], "prob": 0.5, "spatial_axis": 1},
    {"_target_": "RandGaussianNoised", "keys": "image", "prob": 0.1, "std": 0.3},
    {"_target_": "RandGaussianSmoothd", "keys": "image", "prob": 0.2, "sigma_x": [0.5, 1.0], "sigma_y": [0.5, 1.0]},
    {"_target_": "RandScaleIntensityd", "keys": "image", "prob": 0.15, "factors": 0.25},
    {"_target_": "RandAdjustContrastd", "keys": "image", "prob": 0.3, "gamma": [0.7, 1.5], "retain_stats": True},
    {
        "_target_": "RandSimulateLowResolutiond",
        "keys": "image",
        "prob": 0.25,
        "zoom_range": [0.5, 1.0],
        "upsample_mode": "bilinear",
    },
]


class NnUNet(Randomizable):
    """batchgeneratorsv2's transforms on our samples."""

    def __init__(self) -> None:
        self.transforms = nnunet_transforms((SIDE, SIDE)).values()

    def set_random_state(self, seed: int | None = None, state: Any = None) -> NnUNet:
        return self

    def __call__(self, item: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        found = {"image": item["image"], "segmentation": item["label"].to(torch.int16)}
        for transform in self.transforms:
            found = transform(**found)
        return {"image": found["image"], "label": found["segmentation"]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--samples", type=int, default=100, help="of each kind and round")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    parser = ConfigParser(ConfigParser.load_config_file(str(CONFIG)))
    parser["previous"] = {"_target_": "Compose", "transforms": PREVIOUS}
    transforms: dict[str, Compose] = {
        "ours": parser.get_parsed_content("train::transform"),
        "MONAI's, before": parser.get_parsed_content("previous"),
        "nnU-Net's": Compose([NnUNet()]),
    }
    with tempfile.TemporaryDirectory() as folder:
        phantoms = write_phantoms(
            Path(folder) / "data", n_ct=1, n_mr=0, n_val_ct=1, in_plane_px=512, slice_mm=(12.0, 14.0)
        )
        cases = read_datalist(phantoms, "amos", "all_labelled")
        data_sets = {
            name: SliceDataset(
                data=cases,
                preprocessing=parser.get_parsed_content("train::preprocessing"),
                transform=transform,
                roi_size=[SIDE, SIDE],
                cache_dir=Path(folder) / "cache",
            )
            for name, transform in transforms.items()
        }
        calls = {name: _reader(data, given.samples) for name, data in data_sets.items()}
        times = timed_in_turn(calls, rounds=given.rounds)
    rows = [
        {
            "transforms": name,
            "ms a sample": f"{1000 * median(seconds) / given.samples:.0f}",
            f"s a batch of {BATCH} by {WORKERS} processes": f"{median(seconds) / given.samples * BATCH / WORKERS:.3f}",
        }
        for name, seconds in times.items()
    ]
    write_results(
        "training_samples_cpu",
        rows,
        question="How long does a training sample of 896 x 896 take, from the cache to tensors?",
        settings={"samples": given.samples, "rounds": given.rounds, "threads": 1},
        packages=["batchgeneratorsv2", "monai", "torch"],
        notes=["Seconds per batch are computed from one process, as if each process had its own core."],
    )


def _reader(data: SliceDataset, n: int) -> Callable[[], None]:
    def read() -> None:
        for number in range(n):
            data[number]

    return read


if __name__ == "__main__":
    main()
