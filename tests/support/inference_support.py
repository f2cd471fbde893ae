"""A tiny pipeline whose right answer is known: labels are the rounded intensities."""

from __future__ import annotations

import csv
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import Dataset
from monai.transforms import Compose, Invertd, Orientationd
from nibabel.orientations import apply_orientation, inv_ornt_aff
from torch import Tensor, nn

from meddino_components.data import list_cases
from meddino_components.data.volumes.loading import LoadVolumed
from meddino_components.inference import CaseEvaluator, VolumeInferer, WriteCased
from meddino_components.slice_planes import AXIAL

NAMES = ("background", "liver", "spleen", "aorta")


class Thresholds(nn.Module):
    """Class k where the intensity is nearest to k."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.arange(4.0).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return -((x - self.levels) ** 2)


def phantom(shape: tuple[int, int, int] = (21, 18, 7)) -> np.ndarray:
    """Three blocks of different size that no flip or swap maps onto each other."""
    volume = np.zeros(shape, np.float32)
    volume[2:9, 3:6, 1:4] = 1
    volume[12:19, 8:15, 2:6] = 2
    volume[4:6, 12:16, 0:3] = 3
    return volume


def oblique_affine() -> np.ndarray:
    """Float32 values, as a NIfTI stores them: a rotation by about 20 degrees, 0.8 x 1.1 x 2.5 mm."""
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [12, -9, 20], degrees=True).as_matrix() * [0.8, 1.1, 2.5]
    affine[:3, 3] = [-71.3, 22.7, 5.9]
    return affine.astype(np.float32).astype(np.float64)


def all_orientations() -> list[np.ndarray]:
    """The 48 axis permutations and flips."""
    return [
        np.stack([order, flips], axis=1).astype(float)
        for order in permutations(range(3))
        for flips in product([1, -1], repeat=3)
    ]


def reoriented(volume: np.ndarray, affine: np.ndarray, ornt: np.ndarray) -> nib.Nifti1Image:
    image = nib.Nifti1Image(apply_orientation(volume, ornt), None)
    image.header.set_sform(affine @ inv_ornt_aff(ornt, volume.shape), code=2)
    image.header.set_qform(affine @ inv_ornt_aff(ornt, volume.shape), code=1, strip_shears=True)
    return image


def save(path: Path, volume: np.ndarray | None = None, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = phantom() if volume is None else volume
    nib.save(nib.Nifti1Image(volume, np.diag([1.5, 1.5, 4.0, 1]) if affine is None else affine), path)
    return path


def evaluator(
    cases: list[dict[str, str]],
    output_dir: Path,
    *,
    invert: bool = True,
    writer: dict[str, Any] | None = None,
    **extra: Any,
) -> CaseEvaluator:
    before = Compose([LoadVolumed("image"), Orientationd("image", axcodes=AXIAL, labels=None)])
    writes = WriteCased(output_dir=output_dir, label_names=NAMES, **{"overlay": False, **(writer or {})})
    inverse = [Invertd("pred", before, "image", nearest_interp=True)] if invert else []
    settings: dict[str, Any] = {
        "device": "cpu",
        "dataset": Dataset(cases, before),
        "network": Thresholds(),
        "inferer": VolumeInferer(roi_size=(16, 16)),
        "postprocessing": Compose(inverse),
        "writer": writes,
        "output_dir": output_dir,
    }
    return CaseEvaluator(**{**settings, **extra})


class Unwanted(Thresholds):
    """A network that must not run."""

    def forward(self, x: Any) -> Any:
        raise AssertionError("computed before the output folder was checked")


def run(source: Path, out: Path, **extra: Any) -> CaseEvaluator:
    """Segment all cases of a source."""
    engine = evaluator(list_cases(source, modality="ct"), out, **extra)
    engine.run()
    return engine


def summary_rows(out: Path) -> list[dict[str, str]]:
    """The rows of ``summary.csv``."""
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
