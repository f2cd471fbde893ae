"""Whether a scan is CT or MR, as somebody stated: the data list, the user, or the scanner in a DICOM tag."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import itk
from monai.config import KeysCollection
from monai.transforms import Transform
from monai.utils import ensure_tuple

from ..errors import InputError
from .cases import stem_of
from .intensity import Modality, parse_modality

# a choice that is offered beside "ct" and "mr"
BY_DICOM_TAG = "DICOM tag"
_MODALITY = "0008|0060"
_OF_TAG: dict[str, Modality] = {"CT": "ct", "MR": "mr"}


class StateModalityd(Transform):
    """Give each case an item ``modality``, "ct" or "mr", before its voxels are read.

    It is the case's own, else ``modality``, else what the DICOM files say. A DICOM tag that says otherwise is an error.

    Args:
        keys: items that hold the path of the image; those that hold anything else have no tag.
        modality: "ct", "mr", or "DICOM tag" for the tag alone. A list of choices, which MONAI Label sends where the
            user chose none, is its first one; None states nothing.

    Raises:
        InputError: nobody states the modality, or case and tag contradict each other.
    """

    def __init__(self, keys: KeysCollection, *, modality: Any = None) -> None:
        self.keys = ensure_tuple(keys)
        self.modality = _parse(modality, "modality")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        paths = [Path(case[key]) for key in self.keys if isinstance(case.get(key), (str, Path))]
        name = case.get("case_id") or ", ".join(map(str, paths))
        stated = _parse(case.get("modality"), f"{name}: modality") or self.modality
        tags = {path: tag for path in paths if (tag := dicom_modality(path)) is not None}
        for path, tag in tags.items():
            if stated is not None and tag != stated:
                raise InputError(
                    f"{path}: given as {stated.upper()}, but its DICOM tag Modality says {tag.upper()}. Set the "
                    f"modality to {tag}, or remove the tag if it is wrong."
                )
            stated = tag
        if stated is None:
            raise InputError(
                f"{name}: CT or MR? No DICOM tag says so, and nobody states it. Choose `modality` ct or mr (in MONAI "
                "Label among the model's options), or give each case of the data list a 'modality'."
            )
        return {**case, "modality": stated}


def dicom_modality(path: Path) -> Modality | None:
    """What the DICOM tag Modality says of a folder with a series; None where it says neither CT nor MR, or is missing.

    Of a file that was made of a series, such as MONAI Label's cache of a DICOMweb server, the folder of the same name
    beside it is asked.
    """
    folder = path if path.is_dir() else _folder_beside(path)
    if folder is None:
        return None
    io = itk.GDCMImageIO.New()
    for file in sorted(folder.iterdir()):
        if not (file.is_file() and io.CanReadFile(str(file))):
            continue
        io.SetFileName(str(file))
        try:
            io.ReadImageInformation()
        except RuntimeError:
            continue  # whoever reads the voxels says what is wrong
        meta = io.GetMetaDataDictionary()
        # a series has one modality, so one file tells
        return _OF_TAG.get(str(meta[_MODALITY]).strip().upper()) if meta.HasKey(_MODALITY) else None
    return None


def _folder_beside(path: Path) -> Path | None:
    try:
        folder = path.with_name(stem_of(path))
    except (InputError, ValueError):
        return None
    return folder if folder.is_dir() else None


def _parse(value: Any, what: str) -> Modality | None:
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    if value in (None, "", BY_DICOM_TAG):
        return None
    return parse_modality(value, what)
