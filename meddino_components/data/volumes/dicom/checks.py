"""Check a series for problems that would give a wrong volume although ITK reads it without an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....errors import InputError
from .positions import UnevenSlices, check_positions
from .series import DicomSeries
from .stored_values import check_stored_values
from .tag_values import numbers_of

_NUMBER_TAGS = ("bits", "bits_stored", "high_bit", "signed")
_MULTI_FRAME = {
    "1.2.840.10008.5.1.4.1.1.2.1": "enhanced CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "legacy converted enhanced CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "enhanced MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "legacy converted enhanced MR",
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
}


def check_series(
    series: DicomSeries, folder: Path, *, allow_tilt: bool = False, uneven_slices: UnevenSlices = "refuse"
) -> bool:
    """Refuse a series that is not one regular stack of single-frame grey slices. Messages contain no patient data.

    Args:
        series: series with its slices in order.
        folder: folder of the series, for messages.
        allow_tilt: whether a gantry tilt is allowed; the spacing must be regular even then.
        uneven_slices: treatment of uneven slices, see `check_positions`.

    Returns:
        True if the slices are shifted against each other by a gantry tilt.

    Raises:
        InputError: colour or multi-frame files, missing or NaN geometry tags, slices that differ in size, orientation
            or in-plane spacing, a single slice without thickness; see also `check_positions` and `check_stored_values`.
    """
    _check_files(series, folder)
    check_stored_values(series, folder)
    _check_slices_alike(series, folder)
    if len(series.slices) > 1:
        return check_positions(series, folder, allow_tilt=allow_tilt, uneven_slices=uneven_slices)
    thickness = numbers_of(series.slices[0], "thickness", 1, "SliceThickness", folder)[0]
    if thickness <= 0:
        raise InputError(f"{folder}: SliceThickness is {thickness:g} mm; expected a positive number.")
    return False


def _check_files(series: DicomSeries, folder: Path) -> None:
    for header in series.slices:
        name, tags = header.path.name, header.tags
        if header.number("frames", 1) > 1 or tags["sop_class"] in _MULTI_FRAME:
            what = _MULTI_FRAME.get(tags["sop_class"], "a multi-frame object")
            raise InputError(
                f"{folder}: {name} is {what} ({header.number('frames', 1)} frames in one file); expected one file "
                "per slice. Convert it first (dcm2niix to NIfTI, or dcmtk's dcuncat to single frames)."
            )
        if header.number("samples", 1) != 1:
            raise InputError(f"{folder}: {name} is a colour picture; expected grey slices of a scan.")
        if tags["modality"] != series.slices[0].tags["modality"]:
            raise InputError(
                f"{folder}: {name} has another modality than the first file of its series. Remove files that do not "
                "belong to the scan."
            )


def _check_slices_alike(series: DicomSeries, folder: Path) -> None:
    first = series.slices[0]
    orientation = numbers_of(first, "orientation", 6, "ImageOrientationPatient", folder)
    spacing = numbers_of(first, "pixel_spacing", 2, "PixelSpacing", folder)
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
                f"{first.path.name} {first.tags['columns']} x {first.tags['rows']}; expected one size. Remove the "
                "slices that do not belong to the scan (such as a localiser)."
            )
        if [header.tags[tag] for tag in _NUMBER_TAGS] != [first.tags[tag] for tag in _NUMBER_TAGS]:
            raise InputError(
                f"{folder}: {header.path.name} stores its pixels in another number format than {first.path.name} "
                "(bits, sign); expected one format per series. Export the series again from its source."
            )
        turned = numbers_of(header, "orientation", 6, "ImageOrientationPatient", folder)
        if not np.allclose(turned, orientation, atol=1e-4):
            raise InputError(
                f"{folder}: {header.path.name} differs from {first.path.name} in orientation. "
                "Remove the slices that do not belong to the scan."
            )
        if not np.allclose(numbers_of(header, "pixel_spacing", 2, "PixelSpacing", folder), spacing, atol=1e-3):
            raise InputError(
                f"{folder}: {header.path.name} differs from {first.path.name} in PixelSpacing. "
                "Remove the slices that do not belong to the scan."
            )
