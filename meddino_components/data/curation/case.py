"""Prepare a case for a slice store: read, check, reorient and convert it to int16.

Shapes: H rows (to posterior), W columns (to the left), D slices (upwards).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.transforms import Orientationd
from numpy.typing import NDArray

from ...errors import InputError
from ...slice_planes import AXIAL
from ..volumes.dicom import GantryTilt
from ..volumes.intensity_checks import check_intensities
from ..volumes.intensity_statistics import mr_statistics
from ..volumes.loading import LoadVolumed

LOWEST_HU = -1024
AIR_BELOW_HU = -200.0
MIN_TISSUE_FRACTION = 0.001  # of a slice's pixels; slices with less are air
# an 8-bit picture has at most 256 values, a label map fewer; scans have thousands
_FEWEST_VALUES = {"ct": 257, "mr": 65}
_INT16 = np.iinfo(np.int16)


class Refused(InputError):
    """Error for a case that could be read but must not be stored. ``kind`` starts its line in the report."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class CuratedVolume:
    """The data of a case for the store. Intensity = value * ``scale`` + ``offset``.

    Attributes:
        slices: slices that are not air, [D, H, W].
        numbers: indices of these slices among all slices of the case, [D].
        source_slices: number of slices of the case, including air.
        spacing_mm: spacing in mm between rows, columns and all slices.
        scale: intensity units per stored step.
        offset: intensity of the stored value 0.
        changed: number of voxels that are not stored exactly, for each reason.
    """

    slices: NDArray[np.int16]
    numbers: NDArray[np.int32]
    source_slices: int
    spacing_mm: tuple[float, float, float]
    scale: float
    offset: float
    changed: dict[str, int]


def read_case(
    path: str,
    modality: str,
    *,
    series_uid: str = "",
    check_modality: bool = True,
    gantry_tilt: GantryTilt = "refuse",
) -> CuratedVolume:
    """Read a volume for the store.

    CT is stored in HU, rounded to integers and clipped to -1024 to 32,767; lower values are padding outside the field
    of view, such as -2000 or -3024. MR is stored unchanged if its values are 16-bit integers; otherwise its range is
    scaled linearly to 16 bits, with an error of at most half of ``scale``.

    Args:
        path: path of a NIfTI, NRRD or MetaImage file, or of a folder with a DICOM series.
        modality: "ct" or "mr"; must match the tag of a DICOM series.
        series_uid: UID of the series, if the folder contains several.
        check_modality: whether to refuse intensities that contradict the modality.
        gantry_tilt: treatment of DICOM series with a gantry tilt, see `LoadVolumed`.

    Raises:
        InputError: the file or its grid cannot be used, see `LoadVolumed`.
        Refused: its intensities are not those of a scan of this modality, or all its slices are air.
    """
    case: dict[Hashable, Any] = {
        "image": path,
        "modality": modality,
        **({"series_uid": series_uid} if series_uid else {}),
    }
    loaded = LoadVolumed(keys="image", gantry_tilt=gantry_tilt)(case)
    image = Orientationd(keys="image", axcodes=AXIAL, labels=None)(loaded)["image"]
    del loaded  # limits memory to two copies of the volume
    return prepare_volume(image, path, modality, check_modality=check_modality)


def prepare_volume(image: MetaTensor, path: str, modality: str, *, check_modality: bool = True) -> CuratedVolume:
    """Prepare a canonical volume [1, H, W, D] float32 as `read_case` does."""
    voxels: NDArray[np.float32] = image.as_tensor()[0].numpy()
    if check_modality:
        _check_contrast(image.as_tensor(), path, modality)
    scale, offset = (1.0, 0.0) if modality == "ct" else _mr_scaling(voxels)
    air = AIR_BELOW_HU if modality == "ct" else float(voxels.mean(dtype=np.float64))
    height, width, depth = voxels.shape
    stored: NDArray[np.int16] = np.empty((depth, height, width), np.int16)
    changed: Counter[str] = Counter()
    seen: NDArray[np.bool_] = np.zeros(2**16, np.bool_)
    numbers: list[int] = []
    for k in range(depth):
        pixels = np.ascontiguousarray(voxels[:, :, k])
        target = stored[len(numbers)]
        changed.update(_to_int16(pixels, target, modality, scale, offset))
        seen[target.view(np.uint16)] = True
        # skip constant slices: they show nothing, and Blosc2 would not store them as chunks
        if np.mean(pixels > air) >= MIN_TISSUE_FRACTION and target.min() < target.max():
            numbers.append(k)
    if not numbers:
        raise Refused("air only", f"{path}: every slice is air; expected a scan. Check that the export was complete.")
    distinct = int(np.count_nonzero(seen))
    if check_modality and distinct < _FEWEST_VALUES[modality]:
        what = "an 8-bit picture of a scan or a label map" if modality == "ct" else "a label map or a mask"
        raise Refused(
            "refused",
            f"{path}: only {distinct} different values; expected a {modality.upper()} with at least "
            f"{_FEWEST_VALUES[modality]}, so this seems to be {what}. Use the original scan; if this is the original, "
            f"set `check_modality: false`.",
        )
    spacing = np.linalg.norm(np.asarray(image.affine, dtype=float)[:3, :3], axis=0)
    return CuratedVolume(
        slices=stored[: len(numbers)],
        numbers=np.array(numbers, np.int32),
        source_slices=depth,
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        scale=scale,
        offset=offset,
        changed={reason: count for reason, count in changed.items() if count},
    )


def _check_contrast(image: Any, path: str, modality: str) -> None:
    try:
        check_intensities(image, "ct" if modality == "ct" else "mr", path)
        if modality == "mr":
            mr_statistics(image, path)  # raises for a volume or mask without contrast
    except InputError as error:
        raise Refused("refused", str(error)) from error


def _mr_scaling(voxels: NDArray[np.float32]) -> tuple[float, float]:
    """Return scale and offset that map all values to int16; 1 and 0 if all values are 16-bit integers."""
    low, high = float(voxels.min()), float(voxels.max())
    if (
        _INT16.min <= low
        and high <= _INT16.max
        and all(np.array_equal(plane, np.rint(plane)) for plane in np.moveaxis(voxels, 2, 0))
    ):
        return 1.0, 0.0
    return (high - low) / (_INT16.max - _INT16.min - 1), (high + low) / 2


def _to_int16(
    pixels: NDArray[np.float32], target: NDArray[np.int16], modality: str, scale: float, offset: float
) -> dict[str, int]:
    """Write a slice into ``target`` and count the voxels that changed, by reason."""
    if modality == "mr":
        target[...] = np.rint((pixels.astype(np.float64) - offset) / scale)
        return {"scaled to 16 bits": pixels.size} if scale != 1.0 or offset != 0.0 else {}
    rounded = np.rint(pixels)
    target[...] = rounded.clip(LOWEST_HU, _INT16.max)
    return {
        "rounded": int(np.count_nonzero(rounded != pixels)),
        f"raised to {LOWEST_HU} HU": int(np.count_nonzero(rounded < LOWEST_HU)),
        f"lowered to {_INT16.max} HU": int(np.count_nonzero(rounded > _INT16.max)),
    }
