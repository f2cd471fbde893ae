"""Check that the slices of a series lie at even distances, on a straight line, and at different positions.

Only positions count: tags of thickness and spacing are often rounded differently.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ....errors import InputError
from ....wording import counted
from .headers import FloatArray
from .series import DicomSeries, count_thicknesses
from .tag_values import numbers_of

UnevenSlices = Literal["refuse", "even"]

POSITION_TOLERANCE = 0.05
"""Largest distance of a slice from its even position, as a share of the spacing: too small to change a label."""
UNEVEN_TOLERANCE = 0.25
"""Tolerance if the user has uneven slices taken as even. A missing slice is further off or leaves a gap."""
MISSING_GAP = 1.5
"""A gap that is larger than the usual gap by this factor lacks a slice, whatever the tolerance."""

_ROUNDED_TO_MM = (0.1, 0.01)  # rounding by exporters; finer rounding is within the tolerance
_HIGHEST_ROUNDING = 0.35  # share of the spacing: coarser rounding hides the positions of slices
_TILT_TOLERANCE = 1e-3  # tolerance of the sine of the angle
_SHIFT_TOLERANCE_MM = 0.01  # distance of a slice from the straight line through all
_THICKNESS_TOLERANCE = 0.1  # relative difference of tags that gives no warning


def check_positions(
    series: DicomSeries, folder: Path, *, allow_tilt: bool = False, uneven_slices: UnevenSlices = "refuse"
) -> bool:
    """Refuse slices that do not form a regular stack.

    Positions that an exporter rounded to 0.1 or 0.01 mm are recognised by their digits and may deviate by that much.

    Args:
        series: series of more than one slice, in order.
        folder: folder of the series, for messages.
        allow_tilt: whether a gantry tilt is allowed; the spacing must be regular even then.
        uneven_slices: treatment of uneven slices; "even" treats slices as evenly spaced if they deviate by at most a
            quarter of the spacing.

    Returns:
        True if the slices are shifted against each other by a gantry tilt.

    Raises:
        InputError: duplicate, missing or uneven slices, gantry tilt, or another ``uneven_slices``.
    """
    if uneven_slices not in get_args(UnevenSlices):
        raise InputError(f"uneven_slices is {uneven_slices!r}; expected one of {', '.join(get_args(UnevenSlices))}.")
    positions = slice_positions(series, folder)
    orientation = numbers_of(series.slices[0], "orientation", 6, "ImageOrientationPatient", folder)
    axes = np.stack([orientation[:3], orientation[3:], np.cross(orientation[:3], orientation[3:])], axis=1)
    steps: FloatArray = np.diff(positions, axis=0) @ axes
    _check_apart(steps[:, 2], series, folder)
    # a rounded position deviates by half a digit along each axis, and so do the ends that it is compared with
    rounding = _rounding_mm(positions) * float(np.abs(axes[:, 2]).sum())
    if rounding > _HIGHEST_ROUNDING * steps[:, 2].mean():
        rounding = 0.0
    tilted = _check_tilt(steps, folder, rounding, allow_tilt=allow_tilt)
    _check_even(steps[:, 2], series, folder, rounding, uneven_slices)
    return tilted


def slice_positions(series: DicomSeries, folder: Path) -> FloatArray:
    """Return ImagePositionPatient of the slices, [N, 3] in mm.

    Raises:
        InputError: a slice has no position.
    """
    return np.stack([numbers_of(header, "position", 3, "ImagePositionPatient", folder) for header in series.slices])


def _rounding_mm(positions: FloatArray) -> float:
    """Return the digit to which all positions are rounded; 0 if they have more digits."""
    for digit in _ROUNDED_TO_MM:
        if np.allclose(positions / digit, np.rint(positions / digit), rtol=0, atol=1e-6):
            return digit
    return 0.0


def _check_apart(gaps: FloatArray, series: DicomSeries, folder: Path) -> None:
    if gaps.min() < 1e-3:
        k = int(gaps.argmin())
        names = " and ".join(header.path.name for header in series.slices[k : k + 2])
        raise InputError(
            f"{folder}: {names} have the same position. Remove duplicates, or put each phase, echo or time point "
            "into its own folder."
        )


def _check_tilt(steps: FloatArray, folder: Path, rounding: float, *, allow_tilt: bool) -> bool:
    """Return whether the slices are shifted in plane; refuse it unless allowed and along a straight line."""
    gaps = steps[:, 2]
    shifts = np.linalg.norm(steps[:, :2], axis=1)
    tolerance = max(_SHIFT_TOLERANCE_MM, 2 * rounding)
    if (shifts <= np.maximum(_TILT_TOLERANCE * gaps, tolerance)).all() and _is_straight(steps, 0, tolerance):
        return False
    angle = math.degrees(math.atan(float(np.median(shifts / gaps))))
    if not allow_tilt:
        raise InputError(
            f"{folder}: slices are shifted against each other by a gantry tilt of {angle:.1f} degrees. Set "
            "gantry_tilt to 'resample' to interpolate the volume onto a rectangular grid, or correct the tilt first."
        )
    if not _is_straight(steps, steps[:, :2].sum(axis=0) / gaps.sum(), tolerance):
        raise InputError(
            f"{folder}: slices are shifted against each other, but not along a straight line as with a gantry tilt. "
            "Check that they belong to one scan."
        )
    return True


def _is_straight(steps: FloatArray, shear: FloatArray | int, tolerance_mm: float) -> bool:
    """Return whether all slices lie on the line through the first one with this shift per mm."""
    along, beside = np.cumsum(steps[:, 2]), np.cumsum(steps[:, :2], axis=0)
    off = np.linalg.norm(beside - along[:, None] * shear, axis=1)
    return bool((off <= np.maximum(_TILT_TOLERANCE * along, tolerance_mm)).all())


def _check_even(
    gaps: FloatArray, series: DicomSeries, folder: Path, rounding: float, uneven_slices: UnevenSlices
) -> None:
    spacing, usual = float(gaps.mean()), float(np.median(gaps))
    off = np.abs(np.cumsum(gaps) - spacing * np.arange(1, len(gaps) + 1))
    tolerance = UNEVEN_TOLERANCE if uneven_slices == "even" else POSITION_TOLERANCE
    lacking = gaps.max() - rounding > MISSING_GAP * usual
    if off.max() <= tolerance * spacing + rounding + 1e-3 and not lacking:
        _warn_of_thicknesses(series, folder)
        return
    k = int(np.abs(gaps - usual).argmax())
    names = " and ".join(header.path.name for header in series.slices[k : k + 2])
    missing = gaps[k] / usual
    looks = f"{round(missing) - 1} missing" if missing > 1.5 and abs(missing - round(missing)) < 0.05 else "irregular"
    thicknesses = count_thicknesses(series.slices)
    mixed = (
        f" There are {_counted(thicknesses)}: put the slices of each thickness into their own folder."
        if len(thicknesses) > 1
        else ""
    )
    even = (
        " Or set uneven_slices to 'even' to treat them as evenly spaced."
        if off.max() <= UNEVEN_TOLERANCE * spacing and not lacking
        else ""
    )
    raise InputError(
        f"{folder}: {names} are {gaps[k]:.3f} mm apart, other slices {usual:.3f} mm ({looks}).{mixed} Complete the "
        f"series, or put a regular part of it into its own folder.{even}"
    )


def _warn_of_thicknesses(series: DicomSeries, folder: Path) -> None:
    thicknesses = count_thicknesses(series.slices)
    if thicknesses and max(thicknesses) > (1 + _THICKNESS_TOLERANCE) * min(thicknesses):
        warnings.warn(
            f"{folder}: {_counted(thicknesses)} in one series. They are evenly spaced and are read; check that "
            "they belong to one scan.",
            stacklevel=2,
        )


def _counted(thicknesses: Mapping[float, int]) -> str:
    return " and ".join(f"{counted(count, 'slice')} of {mm:g} mm" for mm, count in thicknesses.items())
