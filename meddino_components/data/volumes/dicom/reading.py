"""Voxels and grid of a checked series, through ITK.

X, Y, Z: columns, rows and slices, as stored.
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
        voxels: [X, Y, Z] float32, rescaled (HU for CT).
        affine: [4, 4], voxel indices to RAS mm.
        series: where it came from, slices in the order of Z.
        resampled: the grid is not that of the slices, which were shifted by a gantry tilt.
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
    """Read the series of a folder, refusing what would be silently wrong.

    Args:
        folder: holds the files, whatever they are called.
        series_uid: which of several series.
        gantry_tilt: "resample" interpolates tilted slices linearly onto a rectangular grid: slices stay where they
            are and keep their spacing, rows and columns are shifted back, and the picture grows to hold them all.
        uneven_slices: "even" takes slices as evenly spaced that are nearly so, see `check_positions`.

    Raises:
        InputError: see `choose_series` and `check_series`; a file that cannot be read; another ``gantry_tilt``.
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
    # a view: it holds the ITK image, whose voxels are not copied
    voxels = itk.array_view_from_image(image).T
    return SeriesVolume(voxels=voxels, affine=LPS_TO_RAS @ affine, series=series, resampled=tilted)


def _slice_spacing_mm(series: DicomSeries) -> float:
    """From the first and the last position, so that rounding does not add up; of a single slice its thickness."""
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
    """The planes of the slices stay: only shifts in plane are interpolated."""
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
