"""Determine whether a scan is CT or MR from the data list, the user, or the DICOM tag."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Transform
from monai.utils import ensure_tuple

from ...errors import InputError
from .channel_modality import CHANNEL_MODALITIES, CaseModality, parse_case_modality
from .ct_or_mr import MODALITIES, parse_modality
from .dicom import DicomSeries, choose_series, has_dicom_files
from .file_checks import is_image, stem_of

# DICOM's tag for modalities that only channels have
_TAG_OF_CHANNEL = {"pet": "PT"}
# a choice offered in addition to "ct" and "mr"
BY_DICOM_TAG = "DICOM tag"


class StateModalityd(Transform):
    """Give each case an item ``modality``, "ct" or "mr", before its voxels are read.

    Cases with several channels may have a mapping from channel to modality instead, such as CT and PET.

    The modality is the case's own, else ``modality``. `LoadVolumed` reads the DICOM tag of a folder with a series
    together with the voxels. A file converted from a series may have the series in a folder of the same name next to
    it, as in MONAI Label's cache of a DICOMweb server: its tag then counts as if the folder had been given.

    Args:
        keys: items with the path of the image; items with anything else have no tag.
        modality: "ct", "mr", a mapping from channel to modality, or "DICOM tag" to use only the tag. A list of choices,
            which MONAI Label sends if the user chose none, means its first entry; None states nothing.

    Raises:
        InputError: nothing states the modality, or case and tag contradict each other.
    """

    def __init__(self, keys: KeysCollection, *, modality: Any = None) -> None:
        self.keys = ensure_tuple(keys)
        self.modality = _parse(modality, "modality")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        paths = [Path(case[key]) for key in self.keys if isinstance(case.get(key), (str, Path))]
        name = case.get("case_id") or ", ".join(map(str, paths))
        stated: Any = _parse(case.pop("modality", None), f"{name}: modality") or self.modality
        for folder in filter(None, map(series_beside, paths)):
            stated = agreed_modality(stated, choose_series(folder), folder)
        if stated is not None:
            return {**case, "modality": stated}
        if not paths or not all(path.is_dir() for path in paths):
            raise InputError(
                f"{name}: no modality is stated, and there is no DICOM tag. Set `modality` to ct or mr (in MONAI "
                f"Label among the model's options; a series just fetched from a DICOMweb server has its tag when you "
                f"run it again), or give each case of the data list a 'modality'."
            )
        return case


def agreed_modality(stated: object, series: DicomSeries, path: Path) -> str:
    """Return the modality of a series as stated, which must match its tag; that of the tag if none is stated.

    Raises:
        InputError: statement and tag contradict each other, or neither is CT or MR.
    """
    tag, found = series.modality_tag, series.modality
    if stated is None:
        if found is None:
            raise InputError(
                f"{path}: the DICOM modality is '{tag}', neither CT nor MR. If the scan is CT or MR nevertheless, set "
                f"the modality: ct or mr."
            )
        return found
    if stated in CHANNEL_MODALITIES and stated not in MODALITIES and tag == _TAG_OF_CHANNEL.get(str(stated), tag):
        return str(stated)
    modality = parse_modality(stated, f"{path}: modality")
    if found != modality and tag not in ("", "OT"):  # "OT" (other) says nothing
        raise InputError(
            f"{path}: the modality is given as '{modality}', but the DICOM files say '{tag}'. Correct it, or omit it "
            f"to use the files' modality."
        )
    return modality


def series_beside(path: Path) -> Path | None:
    """Return the folder with the DICOM series that a file was made from, as in MONAI Label's DICOMweb cache."""
    folder = path.with_name(stem_of(path)) if is_image(path) else None
    return folder if folder and folder.is_dir() and has_dicom_files(folder) else None


def _parse(value: Any, what: str) -> CaseModality | None:
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    if value in (None, "", BY_DICOM_TAG):
        return None
    return parse_case_modality(value, what)
