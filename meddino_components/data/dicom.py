"""Checks of a folder with a DICOM series that ITK reads without complaint although the result would be wrong."""

from __future__ import annotations

import math
from pathlib import Path

import itk
import numpy as np

from ..errors import InputError

_POSITION, _ORIENTATION, _PIXEL_SPACING, _MODALITY = "0020|0032", "0020|0037", "0028|0030", "0008|0060"
_SLOPE, _INTERCEPT, _SAMPLES, _FRAMES = "0028|1053", "0028|1052", "0028|0002", "0028|0008"
_GAP_TOLERANCE = 0.01  # of the slice spacing
_TILT_TOLERANCE = 1e-3  # of the sine of the angle


def check_dicom_series(folder: Path) -> None:
    """Refuse a folder that does not hold exactly one regular series of single-frame grey slices.

    Only geometry and pixel format are read; messages hold no patient data.

    Args:
        folder: its files are looked at, not those of folders below.

    Raises:
        InputError: no series or several, colour or multi-frame files, missing or NaN geometry tags, slices that
            differ in orientation or in-plane spacing, duplicate or missing slices, mixed slice spacing, gantry tilt,
            CT without rescale tags.
    """
    names = itk.GDCMSeriesFileNames.New()
    names.SetUseSeriesDetails(True)
    names.AddSeriesRestriction("0008|0021")
    names.SetDirectory(str(folder))
    series = list(names.GetSeriesUIDs())
    if len(series) != 1:
        raise InputError(
            f"{folder}: {len(series)} DICOM series found; expected exactly one. Put the wanted series (not the "
            "localiser) alone into a folder."
        )
    slices = [_tags(name, folder) for name in names.GetFileNames(series[0])]
    _check_slices_alike(slices, folder)
    if len(slices) > 1:
        _check_positions(slices, folder)


def _tags(name: str, folder: Path) -> dict[str, str]:
    io = itk.GDCMImageIO.New()
    io.SetFileName(name)
    try:
        io.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{folder}: {Path(name).name} cannot be read as DICOM. Export the series again.") from error
    meta = io.GetMetaDataDictionary()
    wanted = (_POSITION, _ORIENTATION, _PIXEL_SPACING, _MODALITY, _SLOPE, _INTERCEPT, _SAMPLES, _FRAMES)
    return {"name": Path(name).name} | {tag: str(meta[tag]).strip() for tag in wanted if meta.HasKey(tag)}


def _numbers(
    tags: dict[str, str], tag: str, count: int, what: str, folder: Path
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        values = [float(v) for v in tags.get(tag, "").split("\\")]
    except ValueError:
        values = []
    if len(values) != count or not all(math.isfinite(v) for v in values):
        raise InputError(
            f"{folder}: {tags['name']} has {what} '{tags.get(tag, '')}'; expected {count} numbers. "
            "Export the series again from its source."
        )
    return np.array(values)


def _check_slices_alike(slices: list[dict[str, str]], folder: Path) -> None:
    first = slices[0]
    orientation = _numbers(first, _ORIENTATION, 6, "ImageOrientationPatient", folder)
    spacing = _numbers(first, _PIXEL_SPACING, 2, "PixelSpacing", folder)
    if (spacing <= 0).any():
        raise InputError(f"{folder}: PixelSpacing is {tuple(spacing)} mm; expected positive numbers.")
    for tags in slices:
        if tags.get(_SAMPLES, "1") != "1":
            raise InputError(f"{folder}: {tags['name']} is a colour picture; expected grey slices of a scan.")
        if int(tags.get(_FRAMES) or 1) > 1:
            raise InputError(f"{folder}: {tags['name']} is multi-frame DICOM. Convert it to NIfTI (dcm2niix) first.")
        if tags.get(_MODALITY) == "CT" and not (tags.get(_SLOPE) and tags.get(_INTERCEPT)):
            raise InputError(f"{folder}: {tags['name']} lacks rescale slope or intercept, so its HU are unknown.")
        same = np.allclose(_numbers(tags, _ORIENTATION, 6, "ImageOrientationPatient", folder), orientation, atol=1e-4)
        if not (same and np.allclose(_numbers(tags, _PIXEL_SPACING, 2, "PixelSpacing", folder), spacing, atol=1e-3)):
            raise InputError(f"{folder}: {tags['name']} differs from the others in orientation or spacing.")


def _check_positions(slices: list[dict[str, str]], folder: Path) -> None:
    orientation = _numbers(slices[0], _ORIENTATION, 6, "ImageOrientationPatient", folder)
    normal = np.cross(orientation[:3], orientation[3:])
    positions = np.stack([_numbers(t, _POSITION, 3, "ImagePositionPatient", folder) for t in slices])
    positions = positions[np.argsort(positions @ normal)]
    steps = np.diff(positions, axis=0)
    gaps = steps @ normal
    if gaps.min() < 1e-3:
        raise InputError(f"{folder}: two slices lie at the same position. Remove the duplicate or split the series.")
    tilt = float(np.linalg.norm(steps - gaps[:, None] * normal, axis=1).max() / gaps.max())
    if tilt > max(_TILT_TOLERANCE, 0.01 / gaps.max()):
        raise InputError(
            f"{folder}: slices are shifted against each other by a gantry tilt of "
            f"{math.degrees(math.atan(tilt)):.1f} degrees. Resample the series first (dcm2niix corrects tilt)."
        )
    if gaps.max() - gaps.min() > _GAP_TOLERANCE * np.median(gaps) + 1e-3:
        raise InputError(
            f"{folder}: slices are {gaps.min():.3f} to {gaps.max():.3f} mm apart: slices are missing or spacings "
            "mixed. Complete the series or resample it."
        )
