"""Find out whether a DICOM file contains regions that were drawn on a series, and on which one."""

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
    """A named region.

    Attributes:
        name: name in the file, such as "Liver".
        mask: mask [X, Y, Z] on the grid of the scan.
    """

    name: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class DrawnObject:
    """Kind of a DICOM SEG or an RTSTRUCT, and the series that it refers to.

    Attributes:
        is_segmentation: True for a SEG, False for an RTSTRUCT.
        series_uids: SeriesInstanceUIDs of the scans that it refers to; empty if it names none.
    """

    is_segmentation: bool
    series_uids: frozenset[str]


def drawn_object(path: Path) -> DrawnObject | None:
    """Return the kind and the series of a DICOM SEG or an RTSTRUCT; None for any other file."""
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
