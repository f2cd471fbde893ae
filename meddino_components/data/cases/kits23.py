"""Read KiTS23 as downloaded: a folder ``case_00000`` for each case, with ``imaging`` and ``segmentation``.

The challenge scores three regions: kidney and masses, masses (tumour and cyst), and tumour.

Reference: Heller et al., The KiTS21 Challenge, arXiv 2307.01984; https://kits-challenge.org/kits23.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from ..volumes.regions import Regions
from .dataset_json import Case
from .layout import Layout, Section, no_validation_list

KITS23_LABELS: dict[int, str] = {0: "background", 1: "kidney", 2: "tumour", 3: "cyst"}
KITS23_REGIONS = Regions(
    convention="kits23",
    label_names=((1, "kidney"), (2, "tumour"), (3, "cyst")),
    names=("kidney and masses", "masses", "tumour"),
    members=((1, 2, 3), (2, 3), (2,)),
    written=(1, 3, 2),
    note="Check that the data set is KiTS23, and renumber other labels",
)
_CASE = re.compile(r"case_\d{5}")
_IMAGE, _LABEL = "imaging.nii.gz", "segmentation.nii.gz"


def is_kits23(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether a folder without dataset.json has folders case_00000 with KiTS23's files."""
    return content is None and any((folder / _LABEL).is_file() for folder in _case_folders(root))


def read_kits23(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; "test" is the cases with an image alone.

    Raises:
        InputError: the official validation is requested, there are no folders of cases, or an image is missing.
    """
    if section == "official_validation":
        raise no_validation_list(root, KITS23)
    folders = [folder for folder in _case_folders(root) if (folder / _IMAGE).is_file() or (folder / _LABEL).is_file()]
    if not folders:
        raise InputError(
            f"{root}: has no folder case_00000 with {_IMAGE} and {_LABEL}, as KiTS23 has. Set dataset_dir to KiTS23's "
            "folder dataset."
        )
    if missing := [folder for folder in folders if not (folder / _IMAGE).is_file()]:
        raise InputError(
            f"{missing[0] / _IMAGE}: no such file; {len(missing)} of {len(folders)} cases have no image. KiTS23 "
            "distributes images apart from its repository: run its download command again."
        )
    unlabelled = [folder for folder in folders if not (folder / _LABEL).is_file()]
    if section == "test":
        return [_case(folder) for folder in unlabelled]
    if unlabelled:
        names = ", ".join(folder.name for folder in unlabelled[:5])
        warnings.warn(f"{root}: {len(unlabelled)} cases have no {_LABEL} and are left out: {names}", stacklevel=2)
    return [_case(folder) | {"label": str(folder / _LABEL)} for folder in folders if folder not in unlabelled]


def _case(folder: Path) -> Case:
    return {"image": str(folder / _IMAGE), "case_id": folder.name, "modality": "ct"}


def _case_folders(root: Path) -> list[Path]:
    """Return the folders of cases in a folder, or in the folder ``dataset`` of KiTS23's repository."""
    for place in (root, root / "dataset"):
        if place.is_dir() and (found := sorted(path for path in place.iterdir() if _CASE.fullmatch(path.name))):
            return found
    return []


KITS23 = Layout(
    name="kits23",
    sign="there are folders named case_00000 with a segmentation.nii.gz",
    recognises=is_kits23,
    read=read_kits23,
    labels=lambda root: KITS23_LABELS,
    default_labels=KITS23_LABELS,
    regions=lambda root: KITS23_REGIONS,
    has_dataset_json=False,
)
