"""Read OpenKBP as its authors publish it: a folder of sparse CSV files for each patient.

Organs that are not there were not contoured: ``annotated`` of a case lists those that are.

Reference: Babier et al., OpenKBP: The open-access knowledge-based planning grand challenge, arXiv 2011.14076.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from ..volumes.sparse_csv import VOXEL_DIMENSIONS
from .dataset_json import Case
from .layout import Layout, Section

OPENKBP_LABELS: dict[int, str] = {
    0: "background",
    1: "brainstem",
    2: "spinal cord",
    3: "right parotid",
    4: "left parotid",
    5: "esophagus",
    6: "larynx",
    7: "mandible",
}
_FILES = {
    "brainstem": "Brainstem.csv",
    "spinal cord": "SpinalCord.csv",
    "right parotid": "RightParotid.csv",
    "left parotid": "LeftParotid.csv",
    "esophagus": "Esophagus.csv",
    "larynx": "Larynx.csv",
    "mandible": "Mandible.csv",
}
_IMAGE = "ct.csv"
_PATIENT = re.compile(r"pt_\d+")
# the repository has had two names for the validation list
_LISTS = {"official_validation": ("validation-pats", "valid-pats"), "test": ("test-pats",)}
_TRAINING = ("train-pats",)


def is_openkbp(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether a folder without dataset.json has train-pats, validation-pats or test-pats with patients."""
    if content is not None:
        return False
    lists = [name for names in (_TRAINING, *_LISTS.values()) for name in names]
    return any((folder / _IMAGE).is_file() for name in lists for folder in _patients(root, (name,)))


def read_openkbp(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; those of "test" have labels, too.

    Raises:
        InputError: the folder of the list is missing, or a patient lacks the CT, the voxel size or all organs.
    """
    names = _LISTS.get(section, _TRAINING)
    folders = _patients(root, names)
    if not folders:
        raise InputError(
            f"{root}: has no folder {names[0]} with pt_1 and other patients, as OpenKBP has. Set dataset_dir to "
            "OpenKBP's folder provided-data, or choose another section."
        )
    return [_case(folder) for folder in folders]


def _case(folder: Path) -> Case:
    for name in (_IMAGE, VOXEL_DIMENSIONS):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder / name}: no such file. Complete the download, or move the patient's folder away."
            )
    masks = {organ: str(folder / file) for organ, file in _FILES.items() if (folder / file).is_file()}
    if not masks:
        raise InputError(
            f"{folder}: has none of the organs {', '.join(_FILES.values())}. Complete the download, or move the "
            "patient's folder away."
        )
    case = {"image": str(folder / _IMAGE), "label": masks, "case_id": folder.name, "modality": "ct"}
    return case | {"annotated": list(masks)}


def _patients(root: Path, names: tuple[str, ...]) -> list[Path]:
    """Return the folders of patients in a list of the given folder, or of ``provided-data`` in it."""
    for place in (root, root / "provided-data"):
        for folder in (place / name for name in names):
            if folder.is_dir() and (found := [path for path in folder.iterdir() if _PATIENT.fullmatch(path.name)]):
                return sorted(path.absolute() for path in found)
    return []


OPENKBP = Layout(
    name="openkbp",
    sign="there are folders named train-pats or test-pats with patients pt_1 and their ct.csv",
    recognises=is_openkbp,
    read=read_openkbp,
    labels=lambda root: OPENKBP_LABELS,
    default_labels=OPENKBP_LABELS,
    has_dataset_json=False,
    joins_validation=True,
)
