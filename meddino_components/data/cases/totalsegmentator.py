"""Read the data set of TotalSegmentator v2 as downloaded: a CT, and a mask for each of 117 classes, for each subject.

Reference: Wasserthal et al., TotalSegmentator, arXiv 2208.05868; doi 10.5281/zenodo.10047292.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from .dataset_json import Case
from .layout import Layout, Section
from .totalsegmentator_labels import TOTALSEGMENTATOR_LABELS

_IMAGE, _MASKS, _META = "ct.nii.gz", "segmentations", "meta.csv"
_END = ".nii.gz"
_SPLITS = {"official_validation": "val", "test": "test"}


def is_totalsegmentator(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether a folder without dataset.json has subjects with a ct.nii.gz and a folder segmentations."""
    return content is None and root.is_dir() and any(map(_is_subject, root.iterdir()))


def read_totalsegmentator(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; meta.csv says which are for training, validation and testing.

    Without meta.csv, all subjects are for training. Cases of "test" have labels, too.

    Raises:
        InputError: there are no subjects, a subject of meta.csv is missing, a subject lacks the CT or a mask, or
            meta.csv is needed and missing or has other columns.
    """
    subjects = {path.name: path for path in root.iterdir() if _is_subject(path)} if root.is_dir() else {}
    if not subjects:
        raise InputError(
            f"{root}: has no subject s0000 with {_IMAGE} and the folder {_MASKS}, as TotalSegmentator's data set has. "
            "Set dataset_dir to the folder that holds meta.csv."
        )
    if not (root / _META).is_file() and section in _SPLITS:
        raise InputError(f"{root / _META}: no such file; it says which subjects are '{_SPLITS[section]}'. Download it.")
    chosen = _SPLITS.get(section, "train")
    splits = _read_meta(root / _META) if (root / _META).is_file() else dict.fromkeys(subjects, "train")
    if missing := sorted(set(splits) - set(subjects)):
        raise InputError(
            f"{root / missing[0]}: no such subject; {len(missing)} of {len(splits)} subjects of {_META} are missing. "
            f"Complete the download, or remove their lines from {_META}."
        )
    if others := sorted(set(subjects) - set(splits)):
        warnings.warn(
            f"{root}: {len(others)} subjects are not in {_META} and are left out: {', '.join(others[:5])}", stacklevel=2
        )
    return [_case(subjects[name]) for name, split in sorted(splits.items()) if split == chosen]


def _is_subject(path: Path) -> bool:
    return (path / _MASKS).is_dir()


def _read_meta(path: Path) -> dict[str, str]:
    """Return train, val or test by subject."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    if not rows or not {"image_id", "split"} <= set(rows[0]):
        found = ", ".join(rows[0]) if rows else "nothing"
        raise InputError(
            f"{path}: has the columns {found}; expected image_id and split, separated by ';'. Download it."
        )
    splits = {str(row["image_id"]): str(row["split"]) for row in rows}
    if strange := sorted(set(splits.values()) - {"train", "val", "test"}):
        raise InputError(f"{path}: has the split {strange[0]!r}; expected train, val or test. Correct it.")
    return splits


def _case(subject: Path) -> Case:
    if not (subject / _IMAGE).is_file():
        raise InputError(f"{subject / _IMAGE}: no such file. Complete the download, or move the subject's folder away.")
    # one listing in place of 117 questions
    there = set(os.listdir(subject / _MASKS))
    classes = list(TOTALSEGMENTATOR_LABELS.values())[1:]
    if missing := [name for name in classes if f"{name}{_END}" not in there]:
        raise InputError(
            f"{subject / _MASKS / missing[0]}{_END}: no such file; {len(missing)} of {len(classes)} classes are "
            "missing. Take version 2 of the data set, and complete the download."
        )
    folder = (subject / _MASKS).absolute()
    masks = {name: os.path.join(folder, f"{name}{_END}") for name in classes}
    image = str((subject / _IMAGE).absolute())
    return {"image": image, "label": masks, "case_id": subject.name, "modality": "ct"}


TOTALSEGMENTATOR = Layout(
    name="totalsegmentator",
    sign="there are subjects with a ct.nii.gz and a folder segmentations",
    recognises=is_totalsegmentator,
    read=read_totalsegmentator,
    # None: classes that the user states are read, and the other masks are not
    labels=lambda root: None,
    default_labels=TOTALSEGMENTATOR_LABELS,
    has_dataset_json=False,
    joins_validation=True,
)
