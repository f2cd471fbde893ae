"""Read voxels and grid of a checked series by ITK.

Shapes: X, Y, Z columns, rows and slices, as stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from monai.utils import optional_import

from ....errors import InputError
from ..grid_checks import LPS_TO_RAS
from .checks import check_series
from .headers import FloatArray
from .positions import UnevenSlices
from .series import DicomSeries, choose_series, positions_along_normal

itk, _ = optional_import("itk")

GantryTilt = Literal["refuse", "resample"]


@dataclass(frozen=True, kw_only=True)
class SeriesVolume:
    """A series in memory.

    Attributes:
        voxels: rescaled values [X, Y, Z] float32 (HU for CT).
        affine: affine matrix [4, 4] from voxel indices to RAS mm.
        series: source series, with its slices in the order of Z.
        resampled: True if slices were shifted by a gantry tilt and the grid is a new one.
    """

    voxels: npt.NDArray[np.float32]
    affine: FloatArray
    series: DicomSeries
    resampled: bool


def read_series(
    folder: str | Path,
    *,
    series_uid: str | None = None,
    gantry_tilt: GantryTilt = "refuse",
    uneven_slices: UnevenSlices = "refuse",
) -> SeriesVolume:
    """Read the series of a folder, and refuse one that would give a wrong volume.

    Args:
        folder: folder that contains the files, under any names.
        series_uid: UID of the series, if there are several.
        gantry_tilt: treatment of a gantry tilt; "resample" interpolates tilted slices linearly onto a rectangular grid:
            slices keep their positions and spacing, rows and columns are shifted back, and the image grows to contain
            them all.
        uneven_slices: treatment of uneven slices; "even" treats nearly even ones as even, see `check_positions`.

    Raises:
        InputError: a file cannot be read, or ``gantry_tilt`` is unknown; see `choose_series` and `check_series`.
    """
    if gantry_tilt not in get_args(GantryTilt):
        raise InputError(f"gantry_tilt is {gantry_tilt!r}; expected one of {', '.join(get_args(GantryTilt))}.")
    folder = Path(folder)
    series = choose_series(folder, series_uid)
    tilted = check_series(series, folder, allow_tilt=gantry_tilt == "resample", uneven_slices=uneven_slices)
    image = _read(series, folder, tilted)
    if tilted:
        image = _resample_onto_rectangular_grid(image)
    affine = np.eye(4)
    spacing_mm = np.array(image.GetSpacing())
    if not tilted:
        spacing_mm[2] = _slice_spacing_mm(series)
    affine[:3, :3] = itk.array_from_matrix(image.GetDirection()) * spacing_mm
    affine[:3, 3] = np.array(image.GetOrigin())
    # a view, which keeps the ITK image alive: voxels are not copied
    voxels = itk.array_view_from_image(image).T
    return SeriesVolume(voxels=voxels, affine=LPS_TO_RAS @ affine, series=series, resampled=tilted)


def _slice_spacing_mm(series: DicomSeries) -> float:
    """Compute the spacing from the first and the last position, to avoid rounding; a single slice has its thickness."""
    along = positions_along_normal(series.slices)
    if along is None or len(along) == 1:
        return float(series.slices[0].tags["thickness"])
    return float((along[-1] - along[0]) / (len(along) - 1))


def _read(series: DicomSeries, folder: Path, tilted: bool) -> Any:
    reader = itk.ImageSeriesReader[itk.Image[itk.F, 3]].New()
    reader.SetImageIO(itk.GDCMImageIO.New())
    reader.SetFileNames(series.files)
    reader.SetForceOrthogonalDirection(not tilted)
    try:
        reader.Update()
    except RuntimeError as error:
        raise InputError(
            f"{folder}: the pixels cannot be read. A file is truncated, damaged or compressed in an unknown way: "
            "copy or export the series again."
        ) from error
    return reader.GetOutput()


def _resample_onto_rectangular_grid(image: Any) -> Any:
    """Shift slices back within their planes by interpolation; the planes themselves stay."""
    sheared = itk.array_from_matrix(image.GetDirection())
    rows, columns = sheared[:, 0], sheared[:, 1]
    direction = np.stack([rows, columns, np.cross(rows, columns)], axis=1)
    spacing, size = np.array(image.GetSpacing()), np.array(image.GetLargestPossibleRegion().GetSize())
    # from the first slice to the last along rows, columns and the normal, in mm
    reach = direction.T @ sheared[:, 2] * spacing[2] * (size[2] - 1)
    pixels = reach[:2] / spacing[:2]
    before = np.ceil(np.maximum(-pixels, 0) - 1e-6)
    after = np.ceil(np.maximum(pixels, 0) - 1e-6)
    new_spacing = [spacing[0], spacing[1], reach[2] / (size[2] - 1)]
    return itk.resample_image_filter(
        image,
        interpolator=itk.LinearInterpolateImageFunction.New(image),
        size=[int(size[0] + before[0] + after[0]), int(size[1] + before[1] + after[1]), int(size[2])],
        output_spacing=[float(mm) for mm in new_spacing],
        output_origin=(np.array(image.GetOrigin()) - direction[:, :2] @ (before * spacing[:2])).tolist(),
        output_direction=itk.matrix_from_array(np.ascontiguousarray(direction)),
        default_pixel_value=float(itk.array_view_from_image(image).min()),
    )
