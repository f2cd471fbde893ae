"""Read cases in nnU-Net v2's raw layout: ``imagesTr/<case>_0000<ending>`` and ``labelsTr/<case><ending>``, or a list.

Reference:
    nnU-Net, documentation/dataset_format.md. ``dataset`` of dataset.json maps each case to
    ``{"images": [paths], "label": path}``, relative to the folder of dataset.json, and replaces the two folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...wording import counted
from ..volumes.ct_or_mr import Modality
from ..volumes.found_folders import is_left_over
from ..volumes.partial_labels import stated_items
from .dataset_json import DATASET_JSON, Case, read_dataset_json, stated_modality
from .layout import Layout, Section, labels_by_number
from .patients import stated_patient

FIRST_CHANNEL = "_0000"
# nnU-Net's name for voxels without a label
_IGNORE = "ignore"


def has_signs_of_nnunet(content: Mapping[str, Any] | None) -> bool:
    """Return whether a dataset.json has a key that only nnU-Net writes."""
    return content is not None and ("file_ending" in content or "channel_names" in content)


def read_nnunet_raw(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; test cases have the labels in ``labelsTs``, if any.

    Raises:
        InputError: dataset.json is not as expected, or its number of cases is wrong.
    """
    if section == "official_validation":
        raise InputError(f"{root}: layout 'nnunet_raw' has no validation list of its own. Use section 'validation'.")
    content = read_dataset_json(root)
    stated = stated_modality(root, content.get("channel_names"), modality)
    ending = content.get("file_ending")
    if not isinstance(ending, str) or not ending.startswith("."):
        raise InputError(f"{root / DATASET_JSON}: 'file_ending' is {ending!r}; expected a suffix such as '.nii.gz'.")
    if section == "test":
        return [case | {"modality": stated} for case in _of_folders(root, "Ts", ending)]
    listed = content.get("dataset")
    cases = _of_folders(root, "Tr", ending) if listed is None else _of_mapping(root, listed)
    if cases and content.get("numTraining", len(cases)) != len(cases):
        where = "labelsTr holds" if listed is None else "'dataset' lists"
        raise InputError(
            f"{root / DATASET_JSON}: numTraining is {content['numTraining']} but {where} "
            f"{counted(len(cases), 'label')}. Complete the data set or correct the number."
        )
    return [case | {"modality": stated} for case in cases]


def _of_folders(root: Path, end: str, ending: str) -> list[Case]:
    """List every training label, or every test image, without the ``._`` files of macOS."""
    images, labels = root / f"images{end}", root / f"labels{end}"
    if end == "Tr":
        names = [path.name.removesuffix(ending) for path in _visible(labels, f"*{ending}")]
    else:
        found = _visible(images, f"*{FIRST_CHANNEL}{ending}")
        names = [path.name.removesuffix(f"{FIRST_CHANNEL}{ending}") for path in found]
    cases = []
    for name in names:
        case: Case = {"image": str(images / f"{name}{FIRST_CHANNEL}{ending}"), "case_id": name}
        label = labels / f"{name}{ending}"
        cases.append(case | {"label": str(label)} if end == "Tr" or label.is_file() else case)
    return cases


def _visible(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not is_left_over(path))


def _of_mapping(root: Path, listed: Any) -> list[Case]:
    path = root / DATASET_JSON
    if not isinstance(listed, Mapping):
        raise InputError(f"{path}: 'dataset' is a {type(listed).__name__}; expected {{case: {{images, label}}}}.")
    cases = []
    for name, entry in listed.items():
        images = entry.get("images") if isinstance(entry, Mapping) else None
        if not isinstance(images, list) or len(images) != 1 or not isinstance(entry.get("label"), str):
            raise InputError(
                f"{path}: 'dataset' has for {name} {entry!r:.200}; expected {{'images': [one path], 'label': path}}."
            )
        case: Case = {"image": str((root / str(images[0])).absolute()), "case_id": str(name)}
        case |= {"label": str((root / entry["label"]).absolute())}
        cases.append(case | stated_items(entry) | stated_patient(entry, f"{path}: {name}"))
    return cases


def nnunet_labels(root: Path) -> dict[int, str] | None:
    """Read ``labels`` of nnU-Net's dataset.json, which maps names to numbers.

    Raises:
        InputError: see `labels_by_number`; or a label is nnU-Net's ``ignore``.
    """
    path, labels = root / DATASET_JSON, read_dataset_json(root).get("labels")
    if isinstance(labels, dict) and _IGNORE in labels:
        raise InputError(
            f"{path}: label {labels[_IGNORE]!r} is '{_IGNORE}', nnU-Net's label for voxels to ignore, which is not "
            f"supported. Remove '{_IGNORE}' from 'labels' once no map contains it: leave these cases out, or set the "
            f"voxels to 0 if they are background."
        )
    return None if labels is None else labels_by_number(root, labels, number_first=False)


def _is_nnunet_raw(root: Path, content: Mapping[str, Any] | None) -> bool:
    return has_signs_of_nnunet(content)


NNUNET_RAW = Layout(
    name="nnunet_raw",
    sign="dataset.json has file_ending or channel_names",
    recognises=_is_nnunet_raw,
    read=read_nnunet_raw,
    labels=nnunet_labels,
)
