"""Read cases with several MRI sequences, identified by file names: BraTS and data sets with the same layout."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...wording import counted
from ..volumes.ct_or_mr import Modality
from ..volumes.file_checks import is_image
from ..volumes.found_folders import walk
from .dataset_json import Case
from .joined import is_joined
from .layout import Layout, Section
from .listing import image_paths
from .sequence_case import require_complete
from .sequence_list import JsonSection, read_sequence_datalist
from .sequence_names import LABEL, sequence_of
from .sequences import group_sequences

# sections with their own list in a data list; the others are parts of "training"
_OWN_LISTS: Mapping[str, JsonSection] = {"official_validation": "validation", "test": "test"}


def is_brats(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether this is a data list of cases, or a folder with several sequences per case."""
    return (root.suffix.lower() == ".json" and not is_joined(root)) or (
        content is None and root.is_dir() and _holds_sequences(root)
    )


def read_brats(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`.

    Raises:
        InputError: CT or the official validation of a folder is requested, or a case lacks a sequence.
    """
    if modality == "ct":
        raise InputError("modality is 'ct'; the layout 'brats' consists of MRI sequences. Set the modality to mr.")
    if root.suffix == ".json":
        cases = read_sequence_datalist(root, _OWN_LISTS.get(section, "training"), labelled=section != "test")
    elif section == "official_validation":
        raise InputError(
            f"{root}: a folder has no official validation list. Use section 'validation', or a .json data list."
        )
    else:
        found = group_sequences(*image_paths(root, None))
        cases = [case for case in found if ("label" in case) == (section != "test")]
        if section != "test" and len(cases) < len(found):
            left_out = [str(case["case_id"]) for case in found if "label" not in case]
            warnings.warn(
                f"{root}: leaving out {counted(len(left_out), 'case')} without a label: {', '.join(left_out[:5])}",
                stacklevel=2,
            )
    require_complete(cases)
    return cases


def _holds_sequences(root: Path) -> bool:
    """Return whether two files with the same folder and name are different sequences."""
    for _, files in walk(root):
        found: dict[str, set[str]] = defaultdict(set)
        for path in files:
            if is_image(path):
                case, sequence = sequence_of(path)
                found[case] |= {sequence} if sequence not in (None, LABEL) else set()
        if any(len(sequences) > 1 for sequences in found.values()):
            return True
    return False


BRATS = Layout(
    name="brats",
    sign="files of one case are named after their sequences",
    recognises=is_brats,
    read=read_brats,
    has_dataset_json=False,
    beside_dataset_json=True,
)
