"""Label maps of many cases on disk, on their own grid and on the square grid of the encoder's images.

Shapes: D slices (1 for a picture), H rows, W columns, S side of the square, K classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, Orientationd
from numpy.typing import NDArray

from ...data.image_sets import Sample, load_picture
from ...data.image_sets.picture_masks import load_mask
from ...data.volumes.grids import CheckSameGridd
from ...data.volumes.loading import LoadVolumed
from ...data.volumes.partial_labels import stated_values
from ...data.volumes.resampling import fit_to_square, in_plane_spacing
from ...data.volumes.stamps import file_stamp
from ...errors import InputError, unwrapped
from ...files import AtomicFiles, write_text
from ...files.arrays import ArrayFile
from ...slice_planes import AXIAL

_LAYOUT = 1  # version of the files written here, part of the key


@dataclass(frozen=True)
class CaseLabels:
    """The labels of a case.

    Attributes:
        key: text that changes with the files of the case and the size.
        stored_native, stored_fitted: arrays of `native` and `fitted`, in files or in memory.
        present: which labels a slice of `fitted` shows, boolean [D, 256].
        spacing_mm: spacing of rows, columns and slices; 1 for pictures.
    """

    key: str
    stored_native: ArrayFile | NDArray[np.uint8]
    stored_fitted: ArrayFile | NDArray[np.uint8]
    present: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]

    @property
    def native(self) -> NDArray[np.uint8]:
        """Labels [D, H, W] in canonical orientation; a view of the file."""
        return self.stored_native.mapped() if isinstance(self.stored_native, ArrayFile) else self.stored_native

    @property
    def fitted(self) -> NDArray[np.uint8]:
        """Labels [D, S, S] on the square to which `fit_to_square` brings the image; a view of the file."""
        return self.stored_fitted.mapped() if isinstance(self.stored_fitted, ArrayFile) else self.stored_fitted


class UnnamedLabelError(InputError):
    """A label map holds a class that the settings do not name."""


def labels_of(case: Mapping[str, Any], *, size_px: int, cache_dir: str | Path, n_classes: int) -> CaseLabels:
    """Labels of a case from the cache; otherwise they are read, checked against the image's grid, and cached.

    Args:
        case: case as `folds` describes it.
        size_px: side S of the square.
        cache_dir: cache, in which a folder ``labels`` is created.
        n_classes: number K of classes.

    Raises:
        InputError: a file cannot be read, or the label's grid differs from the image's.
        UnnamedLabelError: a label is beyond the classes. The names may be at fault, so the case must not be left out.
    """
    folder = Path(cache_dir) / "labels"
    key = _key(case, size_px)
    paths = {what: folder / f"{key}.{what}" for what in ("native.npy", "fitted.npy", "present.npy", "json")}
    if not paths["json"].exists():
        native, spacing_mm = _read(case)
        slices = torch.from_numpy(native)[:, None]
        fitted = fit_to_square(slices, spacing=spacing_mm[:2], size_px=size_px, mode="nearest")[:, 0].numpy()
        present = np.stack([np.bincount(labels.ravel(), minlength=256) > 0 for labels in fitted])
        folder.mkdir(parents=True, exist_ok=True)
        with AtomicFiles() as files:
            for what, array in (("native.npy", native), ("fitted.npy", fitted), ("present.npy", present)):
                np.save(files.path(paths[what]), array)
            # last: if it exists, the others are complete
            facts = {"spacing_mm": spacing_mm, "highest": int(native.max())}
            write_text(files.path(paths["json"]), json.dumps(facts) + "\n")
    facts = json.loads(paths["json"].read_text(encoding="utf-8"))
    if facts["highest"] >= n_classes:
        raise UnnamedLabelError(
            f"{case['label']}: label {facts['highest']}, but there are names for 0 to {n_classes - 1} only: correct "
            "the label map, or the label names"
        )
    row_mm, column_mm, slice_mm = facts["spacing_mm"]
    return CaseLabels(
        key=key,
        stored_native=ArrayFile.of(paths["native.npy"]),
        stored_fitted=ArrayFile.of(paths["fitted.npy"]),
        present=np.load(paths["present.npy"]),
        spacing_mm=(row_mm, column_mm, slice_mm),
    )


def _key(case: Mapping[str, Any], size_px: int) -> str:
    stamps = [[str(case[kind]), file_stamp(case[kind])] for kind in ("image", "label")]
    values = stated_values(case)
    text = json.dumps([_LAYOUT, stamps, case["modality"], size_px, *([sorted(values.items())] if values else [])])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(case: Mapping[str, Any]) -> tuple[NDArray[np.uint8], tuple[float, float, float]]:
    if case["modality"] == "picture":
        return _read_mask(case)[None], (1.0, 1.0, 1.0)
    keys = ["image", "label"]
    with unwrapped():
        read = Compose([LoadVolumed(keys), CheckSameGridd(keys), Orientationd(keys, axcodes=AXIAL, labels=None)])(
            dict(case)
        )
    label = read["label"]
    native = np.ascontiguousarray(label.as_tensor()[0].permute(2, 0, 1).numpy().astype(np.uint8))
    slice_mm = float(np.linalg.norm(np.asarray(label.affine)[:3, 2]))
    return native, (*in_plane_spacing(label.affine), slice_mm)


def _read_mask(case: Mapping[str, Any]) -> NDArray[np.uint8]:
    mask = load_mask(case["label"])
    sample = Sample(sample_id=case["case_id"], image=case["image"], index=None, patient="", split="train", labels=())
    shape = load_picture(sample).shape[1:]
    if mask.shape != shape:
        raise InputError(
            f"{case['label']}: {mask.shape} pixels, but {case['image']} has {shape}; expected the same. Check that "
            "they belong together"
        )
    return mask
