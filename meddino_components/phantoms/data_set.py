"""Write a synthetic abdominal data set in the layout of AMOS22, for demos and tests without patient data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import orientations
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ..data.cases.amos import AMOS_LABELS
from ..data.volumes.ct_or_mr import Modality
from ..errors import InputError
from ..files import OutputFolder, ResultFiles, is_empty_folder, write_text
from ..slice_planes import AXIAL
from . import anatomy
from .render import Rendered, render_case

_MARKER = ".meddino_phantoms"  # written first, so that an interrupted run can be repeated
_FIRST_NUMBER: dict[Modality, int] = {"ct": 1, "mr": 501}
_STORED_AXCODES = ("LPS", "RAS", "LAS", "PLS", "RPI", "ASL", "SPL")
_OBLIQUE_SHARE = 0.3
_MAX_OBLIQUE_DEG = 7.0


def write_phantoms(
    output_dir: str | Path,
    *,
    n_ct: int = 16,
    n_mr: int = 0,
    n_val_ct: int = 4,
    n_val_mr: int = 0,
    seed: int = 0,
    in_plane_px: int = 176,
    slice_mm: tuple[float, float] = (6.5, 8.0),
    num_workers: int = 0,
) -> Path:
    """Write a data set of synthetic CT and MR volumes with the 15 AMOS organs.

    Layout as AMOS22: dataset.json, imagesTr, labelsTr, imagesVa, labelsVa; CT cases are amos_0001 and so on, MR cases
    amos_0501; validation cases follow the training cases. A case depends only on the seed, its number and the sizes.
    Cases are stored in various axis orders, and a third of them is oblique, as in real data sets.

    Args:
        output_dir: new or empty folder, or one written by this function before (its cases are then rewritten).
        n_ct: number of CT cases for training.
        n_mr: number of MR cases for training.
        n_val_ct: number of CT cases for validation.
        n_val_mr: number of MR cases for validation.
        seed: random seed, 0 or more.
        in_plane_px: mean number of rows and columns of a slice, at least 32; 176 gives pixels of about 2.2 mm.
        slice_mm: range of the slice spacing in mm; (6.5, 8) gives about 55 slices.
        num_workers: number of processes that create cases; 0 creates them in this process.

    Returns:
        The folder.

    Raises:
        InputError: the folder contains other files, a case in it was edited, another process writes to it, or a number
            is out of range.
    """
    if n_ct + n_val_ct > 499 or min(n_ct, n_mr, n_val_ct, n_val_mr, seed) < 0 or n_ct + n_mr + n_val_ct + n_val_mr < 1:
        raise InputError(
            f"{n_ct} + {n_val_ct} CT and {n_mr} + {n_val_mr} MR cases with seed {seed}; expected none negative, at "
            "least one case, at most 499 CT (AMOS numbers MR from 500)."
        )
    if in_plane_px < 32 or not 0 < slice_mm[0] <= slice_mm[1]:
        raise InputError(f"in_plane_px is {in_plane_px}, slice_mm {slice_mm}; expected >= 32 and 0 < low <= high.")
    root = Path(output_dir).expanduser()
    _claim_folder(root)
    content: dict[str, Any] = _description(seed)
    cases = _Cases(root, seed=seed, in_plane_px=in_plane_px, slice_mm=slice_mm)
    for section, folder, first, count in (
        ("training", "Tr", {"ct": 0, "mr": 0}, {"ct": n_ct, "mr": n_mr}),
        ("validation", "Va", {"ct": n_ct, "mr": n_mr}, {"ct": n_val_ct, "mr": n_val_mr}),
    ):
        for modality, start in _FIRST_NUMBER.items():
            for number in range(start + first[modality], start + first[modality] + count[modality]):
                name = f"amos_{number:04d}.nii.gz"
                cases.planned.append((modality, number, folder))
                content[section].append({"image": f"./images{folder}/{name}", "label": f"./labels{folder}/{name}"})
    content |= {"numTraining": len(content["training"]), "numValidation": len(content["validation"])}
    listed = [entry[kind] for entry in content["training"] + content["validation"] for kind in ("image", "label")]
    with OutputFolder(root).held(["dataset.json", *listed]):
        workers = DataLoader(cases, batch_size=None, num_workers=num_workers)
        for _ in tqdm(workers, desc="phantoms", unit="case"):
            pass
        with ResultFiles() as files:
            write_text(files.path(root / "dataset.json"), json.dumps(content, indent=1))
    return root


class _Cases(Dataset[str]):
    """A data set whose item i creates and writes case i: torch's loader serves as the pool of processes."""

    def __init__(self, root: Path, *, seed: int, in_plane_px: int, slice_mm: tuple[float, float]) -> None:
        self.root, self.seed, self.in_plane_px, self.slice_mm = root, seed, in_plane_px, slice_mm
        self.planned: list[tuple[Modality, int, str]] = []

    def __len__(self) -> int:
        return len(self.planned)

    def __getitem__(self, index: int) -> str:
        modality, number, folder = self.planned[index]
        rng = np.random.default_rng([self.seed, number])
        case = render_case(rng=rng, modality=modality, in_plane_px=self.in_plane_px, slice_mm=self.slice_mm)
        name = f"amos_{number:04d}.nii.gz"
        _write_case(case, self.root / f"images{folder}" / name, self.root / f"labels{folder}" / name, rng)
        return name


def _claim_folder(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; expected a folder. Choose another output_dir.")
    if root.is_dir() and not is_empty_folder(root) and not (root / _MARKER).is_file():
        raise InputError(f"{root}: contains files that do not belong to a phantom data set. Choose a new folder.")
    for part in ("imagesTr", "labelsTr", "imagesVa", "labelsVa"):
        if part == "imagesTr":
            root.mkdir(parents=True, exist_ok=True)
            (root / _MARKER).touch()
        (root / part).mkdir(exist_ok=True)


def _description(seed: int) -> dict[str, Any]:
    return {
        "name": "Phantoms in the layout of AMOS22",
        "description": f"Synthetic abdominal volumes with 15 organs, seed {seed}. No patient data.",
        "licence": "Apache-2.0",
        "modality": {"0": "CT", "1": "MR"},
        "labels": {str(k): v for k, v in AMOS_LABELS.items()},
        "training": [],
        "validation": [],
        "test": [],
    }


def _write_case(case: Rendered, image_path: Path, label_path: Path, rng: np.random.Generator) -> None:
    affine = _affine(case, rng)
    axcodes = _STORED_AXCODES[int(rng.integers(len(_STORED_AXCODES)))]
    _write_nifti(case.label, affine, axcodes, label_path)
    _write_nifti(case.image, affine, axcodes, image_path)


def _affine(case: Rendered, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the affine from voxel indices [H, W, D] in PLS to RAS mm; the whole scanner frame may be rotated."""
    axes = np.zeros((3, 3))
    axes[:, 0], axes[:, 1], axes[:, 2] = (0, -1, 0), (-1, 0, 0), (0, 0, 1)
    if rng.random() < _OBLIQUE_SHARE:
        axes = anatomy.rotation(tuple(rng.uniform(-_MAX_OBLIQUE_DEG, _MAX_OBLIQUE_DEG, 3))) @ axes
    affine = np.eye(4)
    affine[:3, :3] = axes * np.asarray(case.spacing_mm)
    affine[:3, 3] = rng.uniform(-40, 40, 3) - affine[:3, :3] @ (np.asarray(case.image.shape) / 2)
    return affine


def _write_nifti(voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any], axcodes: str, path: Path) -> None:
    image = nib.Nifti1Image(voxels, affine)
    start = orientations.axcodes2ornt(AXIAL)
    image = image.as_reoriented(orientations.ornt_transform(start, orientations.axcodes2ornt(axcodes)))
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    with ResultFiles() as files:
        nib.save(image, files.path(path))
