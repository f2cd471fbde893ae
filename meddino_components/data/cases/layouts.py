"""How a data set lies on the disk: which layout it is, and the cases of each."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from ...errors import InputError
from ..volumes.dicom import has_dicom_files
from ..volumes.dicom.drawn_cases import list_drawn_cases
from ..volumes.file_checks import is_image
from ..volumes.found_folders import walk
from ..volumes.intensity import Modality
from .dataset_json import DATASET_JSON, Case, listed_cases, read_dataset_json, stated_modality
from .listing import image_paths
from .nnunet_raw import read_nnunet_raw
from .sequences import LABEL, JsonSection, group_sequences, read_sequence_datalist, require_complete, sequence_of

Layout = Literal["amos", "nnunet_raw", "msd", "brats", "dicom"]
Section = Literal["training", "validation", "all_labelled", "official_validation", "test"]
LAYOUTS: tuple[str, ...] = get_args(Layout)

_AMOS_FIRST_MR = 500
# sections that are lists of their own in a data list; the others are parts of "training"
_OWN_LISTS: Mapping[str, JsonSection] = {"official_validation": "validation", "test": "test"}


def find_layout(
    dataset_dir: str | os.PathLike[str] = "", stated: str | None = None, without_data: Layout | None = None
) -> Layout:
    """The layout of a data set: as it is recognised, which must not contradict what is stated.

    Args:
        dataset_dir: of the data set, or a ``.json`` data list.
        stated: the configuration's ``dataset_layout``; None: to be recognised.
        without_data: of a run that is handed its cases, as by MONAI Label, and has no ``dataset_dir``.

    Raises:
        InputError: an unknown layout is stated, or another than is there; none is stated and none recognised.
    """
    if stated is not None and stated not in LAYOUTS:
        raise InputError(f"dataset_layout is {stated!r}; expected one of {', '.join(LAYOUTS)}.")
    if not os.fspath(dataset_dir):
        chosen = stated or without_data
        if chosen is None:
            raise InputError("dataset_dir is empty: set it to the folder of a data set.")
        return chosen  # type: ignore[return-value]
    root = Path(dataset_dir).expanduser().absolute()
    found = recognised_layout(root)
    if stated is None and found is None:
        # says so itself where dataset.json is missing or broken
        read_dataset_json(root)
        raise InputError(
            f"{root}: the layout is not recognised. State dataset_layout, one of {', '.join(LAYOUTS)} (docs/data.md)."
        )
    if stated == "brats" and root.is_dir() and _holds_sequences(root):
        return "brats"  # beside the dataset.json of the set that the files were made from
    if stated is not None and found is not None and found != stated:
        raise InputError(
            f"{root}: dataset_layout is '{stated}', but the folder is of the layout '{found}' ({_SIGNS[found]}). "
            f"Leave dataset_layout out or set it to {found}, or give another dataset_dir."
        )
    return stated or found  # type: ignore[return-value]


def recognised_layout(root: Path) -> Layout | None:
    """The layout where it is unmistakable, see `_SIGNS`."""
    if root.suffix.lower() == ".json":
        return "brats"
    if not (root / DATASET_JSON).is_file():
        return _without_dataset_json(root) if root.is_dir() else None
    content = read_dataset_json(root)
    if "file_ending" in content or "channel_names" in content:
        return "nnunet_raw"
    entries = content.get("training")
    if not isinstance(entries, list) or not entries:
        entries = content.get("test") if isinstance(content.get("test"), list) else []
    images = [entry.get("image") if isinstance(entry, dict) else entry for entry in entries or []]
    if images and all(Path(str(image)).name.startswith("amos_") for image in images):
        return "amos"
    return "msd" if images and isinstance(content.get("modality"), dict) else None


_SIGNS: Mapping[str, str] = {
    "nnunet_raw": "dataset.json has file_ending or channel_names",
    "amos": "dataset.json lists images named amos_",
    "msd": "dataset.json has modality and lists other images than amos_",
    "brats": "files of one case are named after their sequences",
    "dicom": "there are DICOM files and no dataset.json",
}


def read_layout(layout: Layout, root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """Cases of a section, in any order, see `read_datalist`."""
    return _READERS[layout](root, section, modality)


def _without_dataset_json(root: Path) -> Layout | None:
    if _holds_sequences(root):
        return "brats"
    return "dicom" if any(has_dicom_files(folder) for folder, _ in walk(root)) else None


def _holds_sequences(root: Path) -> bool:
    """Whether two files of one folder and one name are different sequences."""
    for _, files in walk(root):
        found: dict[str, set[str]] = defaultdict(set)
        for path in files:
            if is_image(path):
                case, sequence = sequence_of(path)
                found[case] |= {sequence} if sequence not in (None, LABEL) else set()
        if any(len(sequences) > 1 for sequences in found.values()):
            return True
    return False


def _read_amos(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    cases = listed_cases(root, {"official_validation": "validation", "test": "test"}.get(section, "training"))
    for case in cases:
        number = case["case_id"].rsplit("_", 1)[-1]
        if not number.isdigit():
            raise InputError(
                f"{root / DATASET_JSON}: case '{case['case_id']}' has no number at its end, which tells CT from MR; "
                "expected names as amos_0001."
            )
        case["modality"] = "ct" if int(number) < _AMOS_FIRST_MR else "mr"
    return cases


def _read_msd(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    if section == "official_validation":
        raise InputError(f"{root}: layout 'msd' has no validation list of its own. Use section 'validation'.")
    stated = stated_modality(root, read_dataset_json(root).get("modality"), modality)
    return [c | {"modality": stated} for c in listed_cases(root, "test" if section == "test" else "training")]


def _read_brats(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    if modality == "ct":
        raise InputError("modality is 'ct'; the layout 'brats' is of MRI sequences. Set the modality to mr.")
    if root.suffix == ".json":
        cases = read_sequence_datalist(root, _OWN_LISTS.get(section, "training"), labelled=section != "test")
    elif section == "official_validation":
        raise InputError(f"{root}: a folder has no validation list. Use section 'validation', or a .json data list.")
    else:
        found = group_sequences(*image_paths(root, None))
        cases = [case for case in found if ("label" in case) == (section != "test")]
        if section != "test" and len(cases) < len(found):
            left_out = [str(case["case_id"]) for case in found if "label" not in case]
            warnings.warn(
                f"{root}: {len(left_out)} cases have no label and are left out: {', '.join(left_out[:5])}", stacklevel=2
            )
    require_complete(cases)
    return cases


def _read_dicom(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    if section == "official_validation":
        raise InputError(f"{root}: a folder of DICOM has no validation list. Use section 'validation'.")
    return [case for case in list_drawn_cases(root, labelled=section != "test") if modality in (None, case["modality"])]


_READERS: dict[str, Callable[[Path, Any, Modality | None], list[Case]]] = {
    "amos": _read_amos,
    "nnunet_raw": read_nnunet_raw,
    "msd": _read_msd,
    "brats": _read_brats,
    "dicom": _read_dicom,
}
