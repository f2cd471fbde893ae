"""What a reader marked in a scan, as DICOM keeps it: named regions that refer to a series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray

# SOP classes: Segmentation, Label Map Segmentation, RT Structure Set
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
STRUCTURE_SETS = ("1.2.840.10008.5.1.4.1.1.481.3",)


@dataclass(frozen=True, kw_only=True)
class DrawnRegion:
    """A region of one name.

    Attributes:
        name: as the file says, such as "Liver".
        mask: [X, Y, Z] on the grid of the scan.
    """

    name: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class DrawnObject:
    """A DICOM SEG or an RTSTRUCT, by the little of its header that says what it belongs to.

    Attributes:
        is_segmentation: a SEG; otherwise an RTSTRUCT.
        series_uids: SeriesInstanceUIDs of the scans it refers to; none where it names none.
    """

    is_segmentation: bool
    series_uids: frozenset[str]


def drawn_object(path: Path) -> DrawnObject | None:
    """What a file is, if it is a DICOM SEG or an RTSTRUCT."""
    pydicom, found = optional_import("pydicom")
    if not found or not path.is_file():
        return None
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except (pydicom.errors.InvalidDicomError, OSError, EOFError, ValueError):
        return None
    kind = str(header.get("SOPClassUID", ""))
    if kind not in (*SEGMENTATIONS, *STRUCTURE_SETS):
        return None
    series = list(header.get("ReferencedSeriesSequence") or [])
    for frame in header.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            series += study.get("RTReferencedSeriesSequence") or []
    uids = frozenset(str(one.SeriesInstanceUID) for one in series if "SeriesInstanceUID" in one)
    return DrawnObject(is_segmentation=kind in SEGMENTATIONS, series_uids=uids)
