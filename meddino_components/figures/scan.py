"""Read a scan from any supported file, take slices from it, and locate points in it.

Shapes: H rows (to posterior), W columns (to the left), D slices (upwards); X, Y, Z axes as stored in the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from monai.transforms import Orientationd
from numpy.typing import NDArray
from torch import Tensor

from ..data import LoadVolumed, in_plane_spacing, list_cases
from ..data.volumes.ct_or_mr import Modality, parse_modality
from ..data.volumes.dicom import GantryTilt
from ..data.volumes.intensity_checks import check_intensities
from ..data.volumes.intensity_statistics import clip_and_moments
from ..errors import InputError
from ..slice_planes import AXIAL
from .scan_slice import Place, ScanSlice

Space = Literal["voxel", "mm"]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A volume in canonical orientation, in the units of its file.

    Attributes:
        name: name of the case, for titles.
        modality: "ct" or "mr".
        voxels: intensities [H, W, D].
        affine: affine from indices of ``voxels`` to mm (right, anterior, superior) [4, 4].
        stored_affine: affine from indices of the file to mm (right, anterior, superior) [4, 4].
        statistics: lower and upper clip, mean and standard deviation used for normalisation.
    """

    name: str
    modality: Modality
    voxels: Tensor
    affine: NDArray[np.float64]
    stored_affine: NDArray[np.float64]
    statistics: tuple[float, float, float, float]

    @property
    def n_slices(self) -> int:
        """D."""
        return int(self.voxels.shape[-1])

    def slice(self, index: int) -> ScanSlice:
        """Return the slice with this index, counted from 0 at the lowest slice upwards.

        Raises:
            InputError: there is no such slice.
        """
        if not 0 <= index < self.n_slices:
            raise InputError(
                f"{self.name}: there is no slice {index}. Choose an index from 0 (the lowest slice) to "
                f"{self.n_slices - 1}"
            )
        low, high, mean, std = self.statistics
        image = self.voxels[..., index].contiguous()
        return ScanSlice(
            scan=self.name,
            modality=self.modality,
            index=index,
            image=image.numpy(),
            clipped=(image.clamp(low, high) - low) / (high - low),
            normalised=(image.clamp(low, high) - mean) / std,
            spacing_mm=in_plane_spacing(self.affine),
        )

    def place(self, point: Sequence[float], space: Space = "voxel") -> Place:
        """Locate a point: return its slice, and its row and column (not rounded).

        Args:
            point: coordinates of the point, three numbers.
            space: coordinate system: "voxel" for indices from 0 along the axes of the file, as NIfTI viewers show them;
                "mm" for coordinates to the right, anterior and superior (RAS), as in 3D Slicer.

        Raises:
            InputError: the space is unknown, the point is not three numbers, or it lies outside the scan.
        """
        if space not in ("voxel", "mm"):
            raise InputError(f"space of the points is {space!r}; expected 'voxel' or 'mm'")
        numbers = [n for n in point if isinstance(n, (int, float)) and math.isfinite(n)]
        if len(numbers) != 3 or len(point) != 3:
            raise InputError(f'point {point}: expected three numbers, as in "[[60,50,88]]"')
        to_mm = self.stored_affine if space == "voxel" else np.eye(4)
        row, column, depth = (np.linalg.inv(self.affine) @ to_mm @ [*numbers, 1.0])[:3]
        size = tuple(self.voxels.shape)
        # the scan extends half a voxel beyond the centres of the outermost voxels
        if not all(-0.5 <= at <= n - 0.5 for at, n in zip((row, column, depth), size, strict=True)):
            raise InputError(
                f"{self.name}: point {list(point)} in {space} lies outside the scan, {self._extent(space)}"
            )
        return Place(index=int(np.clip(np.rint(depth), 0, size[2] - 1)), row=float(row), column=float(column))

    def _extent(self, space: Space) -> str:
        """Describe the range of coordinates that the scan covers."""
        corners = np.array([[r, c, d, 1] for r in (0, 1) for c in (0, 1) for d in (0, 1)], dtype=float)
        corners[:, :3] *= np.array(self.voxels.shape) - 1
        from_mm = np.linalg.inv(self.stored_affine) if space == "voxel" else np.eye(4)
        places = (from_mm @ self.affine @ corners.T)[:3]
        ranges = [f"{low:.4g} to {high:.4g}" for low, high in zip(places.min(1), places.max(1), strict=True)]
        axes = "indices from 0" if space == "voxel" else "mm to the right, anterior, superior; LPS flips the first two"
        return f"which covers {', '.join(ranges)} ({axes})"


def read_scan(
    source: str | Path,
    *,
    modality: str | None = None,
    series_uid: str | None = None,
    gantry_tilt: GantryTilt = "refuse",
) -> Scan:
    """Read one NIfTI, NRRD or MetaImage file or the folder of a DICOM series.

    Args:
        source: file or folder.
        modality: "ct" or "mr"; None reads it from the DICOM tag.
        series_uid: UID of the series to read if a DICOM folder contains several.
        gantry_tilt: "refuse", or "resample" to interpolate a DICOM series with a gantry tilt onto a rectangular grid.

    Raises:
        InputError: the source contains no scan or several, or the scan cannot be used, see `LoadVolumed`.
    """
    cases = list_cases(source, modality=modality, series_uid=series_uid)
    if len(cases) != 1:
        raise InputError(f"{source}: contains {len(cases)} scans, but a figure shows one. Give the path of one scan")
    unread: dict[Any, Any] = dict(cases[0])
    # not MONAI's Compose, which would wrap the errors that these transforms raise
    case = LoadVolumed("image", gantry_tilt=gantry_tilt)(unread)
    stored_affine = np.asarray(case["image"].affine, dtype=float)
    image = Orientationd("image", axcodes=AXIAL, labels=None)(case)["image"]
    kind, path = parse_modality(case["modality"], f"{source}: modality"), str(source)
    voxels = image.as_tensor()
    check_intensities(voxels, kind, path)
    return Scan(
        name=cases[0]["case_id"],
        modality=kind,
        voxels=voxels[0],
        affine=np.asarray(image.affine, dtype=float),
        stored_affine=stored_affine,
        statistics=clip_and_moments(voxels, kind, path),
    )
