"""List the DICOM series of a folder, describe each without patient data, and choose one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....errors import InputError
from ....wording import counted
from ..ct_or_mr import Modality
from .headers import FloatArray, SliceHeader, is_dicom_file, read_slice_header

# objects derived from scans: ignored if a folder contains one scan beside them
_DERIVED = ("SEG", "SR", "RTSTRUCT", "RTDOSE", "RTPLAN", "REG", "PR", "KO", "DOC")
_MODALITIES: dict[str, Modality] = {"CT": "ct", "MR": "mr"}


@dataclass(frozen=True, kw_only=True)
class DicomSeries:
    """Files of one series in a folder, ordered along the normal of the slices if they have positions.

    Attributes:
        uid: SeriesInstanceUID.
        slices: headers of the slices.
    """

    uid: str
    slices: tuple[SliceHeader, ...]

    @property
    def files(self) -> list[str]:
        """Paths of the files in the order of the slices."""
        return [str(header.path) for header in self.slices]

    @property
    def modality_tag(self) -> str:
        """Modality tag of the first file, such as "CT"."""
        return self.slices[0].tags["modality"].upper()

    @property
    def modality(self) -> Modality | None:
        """Modality "ct" or "mr"; None for any other tag."""
        return _MODALITIES.get(self.modality_tag)

    def describe(self) -> str:
        """Return one line: UID, modality, number and size of slices, spacing and thickness."""
        return f"{self.uid}: {self.facts()}"

    def facts(self) -> str:
        """Return the line of `describe` without the UID."""
        first = self.slices[0]
        spacing, thicknesses = first.floats("pixel_spacing", 2), count_thicknesses(self.slices)
        frames = first.number("frames", 1)
        number = (
            counted(len(self.slices), "slice")
            if frames == 1
            else f"{counted(len(self.slices), 'file')} of {frames} frames"
        )
        parts = [self.modality_tag or "no modality", number, f"{first.tags['columns']} x {first.tags['rows']}"]
        if spacing is not None:
            parts.append(f"{spacing[1]:.4g} x {spacing[0]:.4g} mm")
        if thicknesses:
            parts.append("slices of " + " and ".join(f"{mm:g}" for mm in thicknesses) + " mm")
        return ", ".join(parts)


def count_thicknesses(slices: Iterable[SliceHeader]) -> dict[float, int]:
    """Count the slices of each SliceThickness in mm, rounded to 0.001."""
    stated = [header.floats("thickness", 1) for header in slices]
    return dict(sorted(Counter(round(float(mm[0]), 3) for mm in stated if mm is not None).items()))


def has_dicom_files(folder: Path) -> bool:
    """Return whether a folder directly contains DICOM files."""
    entries = sorted(folder.iterdir(), key=lambda path: (path.suffix.lower() != ".dcm", path.name))
    return any(is_dicom_file(path) for path in entries if not path.is_dir())


def list_series(folder: str | Path) -> list[DicomSeries]:
    """Return all image series that a folder directly contains, sorted by UID.

    Raises:
        InputError: the folder does not exist, or a file cannot be read.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. Give the folder that contains the files of a DICOM series.")
    found: dict[str, list[SliceHeader]] = defaultdict(list)
    for path in sorted(root.iterdir()):
        if is_dicom_file(path) and (header := read_slice_header(path)) is not None:
            found[header.tags["series_uid"]].append(header)
    return [DicomSeries(uid=uid, slices=_in_order(found[uid])) for uid in sorted(found)]


def choose_series(folder: str | Path, series_uid: str | None = None) -> DicomSeries:
    """Return the series with this UID or, without a UID, the only scan of the folder, ignoring segmentations.

    Raises:
        InputError: there is no series, no series has the UID, or there are several and no UID is given (all are
            listed).
    """
    series = list_series(folder)
    if not series:
        raise InputError(f"{folder}: contains no DICOM image. Give the folder that contains the files of a series.")
    listed = "; ".join(one.describe() for one in series)
    if series_uid is not None:
        matching = [one for one in series if one.uid == str(series_uid)]
        if not matching:
            raise InputError(f"{folder}: no series has the UID {series_uid}. Its series are {listed}")
        return matching[0]
    scans = [one for one in series if one.modality_tag not in _DERIVED]
    if len(scans) != 1:
        raise InputError(
            f"{folder}: {len(series)} DICOM series, of which {len(scans)} are scans; expected one scan. "
            f"Choose one by series_uid, or put it into its own folder: {listed}"
        )
    return scans[0]


def positions_along_normal(slices: Iterable[SliceHeader]) -> FloatArray | None:
    """Return positions [N] in mm along the normal of the first slice; None if positions or orientation are missing."""
    headers = list(slices)
    orientation = headers[0].floats("orientation", 6)
    positions = [header.floats("position", 3) for header in headers]
    if orientation is None or any(position is None for position in positions):
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([float(position @ normal) for position in positions if position is not None])


def _in_order(slices: list[SliceHeader]) -> tuple[SliceHeader, ...]:
    along = positions_along_normal(slices)
    return tuple(slices if along is None else [slices[i] for i in np.argsort(along, kind="stable")])
