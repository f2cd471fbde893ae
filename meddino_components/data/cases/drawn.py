"""Read DICOM series with the DICOM SEG or RTSTRUCT that was drawn on each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from ..volumes.dicom import has_dicom_files
from ..volumes.dicom.drawn_cases import list_drawn_cases
from ..volumes.found_folders import walk
from .dataset_json import Case
from .layout import Layout, Section


def is_drawn(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether a folder contains DICOM files and no dataset.json."""
    return content is None and root.is_dir() and any(has_dicom_files(folder) for folder, _ in walk(root))


def read_drawn(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`.

    Raises:
        InputError: the official validation is requested; see `list_drawn_cases`.
    """
    if section == "official_validation":
        raise InputError(f"{root}: a folder of DICOM files has no official validation list. Use section 'validation'.")
    return [case for case in list_drawn_cases(root, labelled=section != "test") if modality in (None, case["modality"])]


DRAWN = Layout(
    name="dicom",
    sign="there are DICOM files and no dataset.json",
    recognises=is_drawn,
    read=read_drawn,
    has_dataset_json=False,
)
