"""Checks of a series that ITK reads without complaint although the result would be wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...errors import InputError
from .headers import FloatArray, SliceHeader
from .series import DicomSeries, count_thicknesses

_GAP_TOLERANCE = 0.01  # of the slice spacing
_TILT_TOLERANCE = 1e-3  # of the sine of the angle
_SHIFT_TOLERANCE_MM = 0.01  # of a slice from the straight line through all
_MULTI_FRAME = {
    "1.2.840.10008.5.1.4.1.1.2.1": "enhanced CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "legacy converted enhanced CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "enhanced MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "legacy converted enhanced MR",
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
}


def check_series(series: DicomSeries, folder: Path, *, allow_tilt: bool = False) -> bool:
    """Refuse what is not one regular stack of single-frame grey slices. Messages hold no patient data.

    Args:
        series: slices in order.
        folder: for messages.
        allow_tilt: let a gantry tilt pass; spacing has to be regular all the same.

    Returns:
        Whether the slices are shifted against each other by a gantry tilt.

    Raises:
        InputError: colour or multi-frame files, missing or NaN geometry tags, slices that differ in size, orientation,
            in-plane spacing or thickness, duplicate or missing slices, gantry tilt, CT without rescale tags.
    """
    _check_files(series, folder)
    _check_slices_alike(series, folder)
    tilted = False
    if len(series.slices) > 1:
        steps = _steps(series, folder)
        tilted = _check_tilt(steps, folder, allow_tilt=allow_tilt)
        _check_gaps(steps[:, 2], series, folder)
    return tilted


def _check_files(series: DicomSeries, folder: Path) -> None:
    for header in series.slices:
        name, tags = header.path.name, header.tags
        if header.number("frames", 1) > 1 or tags["sop_class"] in _MULTI_FRAME:
            what = _MULTI_FRAME.get(tags["sop_class"], "a multi-frame object")
            raise InputError(
                f"{folder}: {name} is {what} ({header.number('frames', 1)} frames in one file); expected one file a "
                "slice. Convert it first (dcm2niix to NIfTI, or dcmtk's dcuncat to single frames)."
            )
        if header.number("samples", 1) != 1:
            raise InputError(f"{folder}: {name} is a colour picture; expected grey slices of a scan.")
        if tags["modality"] != series.slices[0].tags["modality"]:
            raise InputError(f"{folder}: {name} is of another modality than the first file of its series.")
        if series.modality == "ct" and (header.floats("slope", 1) is None or header.floats("intercept", 1) is None):
            raise InputError(
                f"{folder}: {name} lacks rescale slope or intercept, so its HU are unknown. Export the series again "
                "from its source."
            )


def _check_slices_alike(series: DicomSeries, folder: Path) -> None:
    first = series.slices[0]
    orientation = _numbers(first, "orientation", 6, "ImageOrientationPatient", folder)
    spacing = _numbers(first, "pixel_spacing", 2, "PixelSpacing", folder)
    if (spacing <= 0).any():
        raise InputError(f"{folder}: PixelSpacing is {tuple(spacing.tolist())} mm; expected positive numbers.")
    axes = orientation.reshape(2, 3)
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-3):
        raise InputError(
            f"{folder}: ImageOrientationPatient is {tuple(orientation.tolist())}; expected two perpendicular unit "
            "vectors. Export the series again from its source."
        )
    for header in series.slices:
        if [header.tags[tag] for tag in ("rows", "columns")] != [first.tags[tag] for tag in ("rows", "columns")]:
            raise InputError(
                f"{folder}: {header.path.name} has {header.tags['columns']} x {header.tags['rows']} pixels, "
                f"{first.path.name} {first.tags['columns']} x {first.tags['rows']}; expected one size. Take away the "
                "slices that do not belong to the scan (such as a localiser)."
            )
        if not np.allclose(
            _numbers(header, "orientation", 6, "ImageOrientationPatient", folder), orientation, atol=1e-4
        ):
            raise InputError(f"{folder}: {header.path.name} differs from {first.path.name} in orientation.")
        if not np.allclose(_numbers(header, "pixel_spacing", 2, "PixelSpacing", folder), spacing, atol=1e-3):
            raise InputError(f"{folder}: {header.path.name} differs from {first.path.name} in PixelSpacing.")


def _numbers(header: SliceHeader, tag: str, count: int, what: str, folder: Path) -> FloatArray:
    values = header.floats(tag, count)
    if values is None:
        raise InputError(
            f"{folder}: {header.path.name} has {what} '{header.tags[tag]}'; expected {count} numbers. "
            "Export the series again from its source."
        )
    return values


def _steps(series: DicomSeries, folder: Path) -> FloatArray:
    """[N - 1, 3] mm from each slice to the next, along rows, columns and the normal."""
    orientation = _numbers(series.slices[0], "orientation", 6, "ImageOrientationPatient", folder)
    axes = np.stack([orientation[:3], orientation[3:], np.cross(orientation[:3], orientation[3:])], axis=1)
    positions = np.stack([_numbers(h, "position", 3, "ImagePositionPatient", folder) for h in series.slices])
    steps: FloatArray = np.diff(positions, axis=0) @ axes
    if steps[:, 2].min() < 1e-3:
        k = int(steps[:, 2].argmin())
        names = " and ".join(header.path.name for header in series.slices[k : k + 2])
        raise InputError(
            f"{folder}: {names} lie at the same position. Remove duplicates; split a series of several phases, echoes "
            "or time points into one folder each."
        )
    return steps


def _check_tilt(steps: FloatArray, folder: Path, *, allow_tilt: bool) -> bool:
    """Whether the slices are shifted in plane; refused unless allowed and along a straight line."""
    gaps = steps[:, 2]
    shifts = np.linalg.norm(steps[:, :2], axis=1)
    if (shifts <= np.maximum(_TILT_TOLERANCE * gaps, _SHIFT_TOLERANCE_MM)).all() and _is_straight(steps, shear=0):
        return False
    angle = math.degrees(math.atan(float(np.median(shifts / gaps))))
    if not allow_tilt:
        raise InputError(
            f"{folder}: slices are shifted against each other by a gantry tilt of {angle:.1f} degrees. Set "
            "gantry_tilt to 'resample' to have the volume interpolated onto a rectangular grid, or correct the tilt "
            "first."
        )
    if not _is_straight(steps, shear=steps[:, :2].sum(axis=0) / gaps.sum()):
        raise InputError(
            f"{folder}: slices are shifted against each other, but not along a straight line as by a gantry tilt. "
            "Check that they belong to one scan."
        )
    return True


def _is_straight(steps: FloatArray, shear: FloatArray | int) -> bool:
    """Whether no slice lies beside the line through the first one with this shift a mm."""
    along, beside = np.cumsum(steps[:, 2]), np.cumsum(steps[:, :2], axis=0)
    off = np.linalg.norm(beside - along[:, None] * shear, axis=1)
    return bool((off <= np.maximum(_TILT_TOLERANCE * along, _SHIFT_TOLERANCE_MM)).all())


def _check_gaps(gaps: FloatArray, series: DicomSeries, folder: Path) -> None:
    thicknesses = count_thicknesses(series.slices)
    if len(thicknesses) > 1:
        counts = " and ".join(f"{count} slices of {mm:g} mm" for mm, count in thicknesses.items())
        raise InputError(
            f"{folder}: {counts} in one series, {gaps.min():.3f} to {gaps.max():.3f} mm apart; expected one thickness. "
            "Put the slices of one thickness into a folder of their own."
        )
    usual = float(np.median(gaps))
    if gaps.max() - gaps.min() > _GAP_TOLERANCE * usual + 1e-3:
        k = int(np.abs(gaps - usual).argmax())
        names = " and ".join(header.path.name for header in series.slices[k : k + 2])
        missing = gaps[k] / usual
        looks = (
            f"{round(missing) - 1} missing" if missing > 1.5 and abs(missing - round(missing)) < 0.05 else "irregular"
        )
        raise InputError(
            f"{folder}: {names} are {gaps[k]:.3f} mm apart, slices elsewhere {usual:.3f} mm ({looks}). Complete the "
            "series, or put a regular part of it into a folder of its own."
        )
