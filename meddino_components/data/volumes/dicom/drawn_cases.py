"""List the cases of a DICOM export: series, and the segmentations or structure sets that were drawn on them."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from ....errors import InputError
from ..found_folders import walk
from .drawn_regions import drawn_object
from .headers import is_dicom_file
from .series import DicomSeries, list_series


def list_drawn_cases(root: Path, *, labelled: bool) -> list[dict[str, Any]]:
    """Return the scans below a folder with regions drawn on them, or those without.

    A DICOM SEG or an RTSTRUCT is the label of the series that it refers to, in whatever folder. Other objects and
    hidden folders are skipped.

    Args:
        root: folder that contains patients, in folders of any depth.
        labelled: True for scans with drawn regions, False for those without.

    Returns:
        ``{"image": folder, "series_uid": UID, "case_id": id, "modality": "ct" or "mr", "patient": id}`` and, if
        ``labelled``, "label", a path. The id of a case is the folder's path below ``root``, joined by ``_``, with a
        number if a folder contains several scans; the id of a patient is a hash of PatientID.

    Raises:
        InputError: an object refers to no series, to several, or to one that is not there; two objects refer to one
            series; or a file cannot be read.
    """
    scans: dict[str, tuple[Path, DicomSeries]] = {}
    drawn: dict[str, Path] = {}
    for folder, files in walk(root):
        slices: set[str] = set()
        for series in list_series(folder):
            if series.modality is not None:
                _add_once(scans, series, folder)
                slices.update(series.files)
        for path in files:
            # slices, which most files are, are known already
            if str(path) not in slices and is_dicom_file(path) and (found := drawn_object(path)) is not None:
                _refer_once(drawn, found.series_uids, path)
    if missing := sorted(set(drawn) - set(scans)):
        raise InputError(
            f"{drawn[missing[0]]}: was drawn on series {missing[0]}, which is not below {root}. Add the series, or "
            "remove the file from the data set"
        )
    per_folder = Counter(folder for folder, _ in scans.values())
    cases, numbers = [], Counter[Path]()
    for uid, (folder, series) in sorted(scans.items(), key=lambda item: (item[1][0], item[0])):
        numbers[folder] += 1
        name = "_".join(folder.relative_to(root).parts) or root.name
        case = {
            "image": str(folder),
            "series_uid": uid,
            "case_id": name if per_folder[folder] == 1 else f"{name}_{numbers[folder]}",
            "modality": series.modality,
            "patient": _patient(series),
        }
        if (uid in drawn) == labelled:
            cases.append(case | ({"label": str(drawn[uid])} if labelled else {}))
    return cases


def _add_once(scans: dict[str, tuple[Path, DicomSeries]], series: DicomSeries, folder: Path) -> None:
    if series.uid in scans:
        raise InputError(
            f"{folder}: series {series.uid} is also in {scans[series.uid][0]}. Put its files into one folder, or "
            "remove the copy"
        )
    scans[series.uid] = (folder, series)


def _refer_once(drawn: dict[str, Path], series_uids: frozenset[str], path: Path) -> None:
    if len(series_uids) != 1:
        raise InputError(
            f"{path}: refers to {len(series_uids) or 'no'} series; expected the one that it was drawn on. Export it "
            "again from the scan, or remove it from the data set"
        )
    (uid,) = series_uids
    if uid in drawn:
        raise InputError(
            f"{path} and {drawn[uid]} were both drawn on series {uid}; expected one label file per scan. Merge "
            "them, or remove one from the data set"
        )
    drawn[uid] = path


def _patient(series: DicomSeries) -> str:
    """Return a hash of PatientID, so that no patient data leaves the header."""
    pydicom, _ = optional_import("pydicom")
    header = pydicom.dcmread(series.files[0], specific_tags=["PatientID"], stop_before_pixels=True)
    identity = str(header.get("PatientID") or "") or series.uid
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
