"""Read cases in nnU-Net v2's raw layout: ``imagesTr/<case>_<channel><ending>``, ``labelsTr/<case><ending>``, or a list.

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
from .dataset_json import DATASET_JSON, Case, channels_modality, read_dataset_json, stated_channels
from .layout import Layout, Section, no_validation_list
from .nnunet_labels import ignored_values, named_labels, nested_regions
from .patients import stated_patient

FIRST_CHANNEL = "_0000"


def has_signs_of_nnunet(content: Mapping[str, Any] | None) -> bool:
    """Return whether a dataset.json has a key that only nnU-Net writes."""
    return content is not None and ("file_ending" in content or "channel_names" in content)


def read_nnunet_raw(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; test cases have the labels in ``labelsTs``, if any.

    With several channels, "image" is {name of the channel: path}. With nnU-Net's label ``ignore``, "label_values" maps
    its number to `IGNORE`.

    Raises:
        InputError: dataset.json is not as expected, its number of cases is wrong, or a file belongs to a channel that
            it does not name.
    """
    if section == "official_validation":
        raise no_validation_list(root, NNUNET_RAW)
    content = read_dataset_json(root)
    channels = content.get("channel_names")
    stated: Case = {"modality": channels_modality(root, channels, modality)}
    names = stated_channels(root, channels)
    ending = content.get("file_ending")
    if not isinstance(ending, str) or not ending.startswith("."):
        raise InputError(f"{root / DATASET_JSON}: 'file_ending' is {ending!r}; expected a suffix such as '.nii.gz'.")
    if section == "test":
        found = _of_folders(root, "Ts", ending, names)
        ignored = ignored_values(root, content.get("labels"))
        return [_with_ignored(case | stated, ignored) if "label" in case else case | stated for case in found]
    listed = content.get("dataset")
    cases = _of_folders(root, "Tr", ending, names) if listed is None else _of_mapping(root, listed, names)
    if cases and content.get("numTraining", len(cases)) != len(cases):
        where = "labelsTr holds" if listed is None else "'dataset' lists"
        raise InputError(
            f"{root / DATASET_JSON}: numTraining is {content['numTraining']} but {where} "
            f"{counted(len(cases), 'label')}. Complete the data set or correct the number."
        )
    ignored = ignored_values(root, content.get("labels"))
    return [_with_ignored(case | stated, ignored) for case in cases]


def _with_ignored(case: Case, ignored: Mapping[int, int]) -> Case:
    """Add the number of ``ignore`` to the values of the case's label; what the case states itself has priority."""
    stated = case.get("label_values", {})
    if not ignored or not isinstance(stated, Mapping):
        return case
    return case | {"label_values": {str(value): label for value, label in ignored.items()} | dict(stated)}


def _of_folders(root: Path, end: str, ending: str, channels: list[str]) -> list[Case]:
    """List every training label, or every test image, without the ``._`` files of macOS."""
    images, labels = root / f"images{end}", root / f"labels{end}"
    if end == "Tr":
        names = [path.name.removesuffix(ending) for path in _visible(labels, f"*{ending}")]
    else:
        found = _visible(images, f"*{FIRST_CHANNEL}{ending}")
        names = [path.name.removesuffix(f"{FIRST_CHANNEL}{ending}") for path in found]
    _check_no_other_channel(root, images, ending, channels)
    cases = []
    for name in names:
        files = [str(images / f"{name}_{number:04d}{ending}") for number in range(len(channels))]
        case: Case = {"image": _image(files, channels), "case_id": name}
        label = labels / f"{name}{ending}"
        cases.append(case | {"label": str(label)} if end == "Tr" or label.is_file() else case)
    return cases


def _image(files: list[str], channels: list[str]) -> str | dict[str, str]:
    return files[0] if len(files) == 1 else dict(zip(channels, files, strict=True))


def _check_no_other_channel(root: Path, images: Path, ending: str, channels: list[str]) -> None:
    other = _visible(images, f"*_{len(channels):04d}{ending}")
    if len(channels) > 1 and other:
        raise InputError(
            f"{other[0]}: is channel {len(channels)}, but channel_names of {root / DATASET_JSON} has only "
            f"{', '.join(channels)}, numbered from 0. Name the channel there, or move its files elsewhere."
        )


def _visible(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not is_left_over(path))


def _of_mapping(root: Path, listed: Any, channels: list[str]) -> list[Case]:
    path = root / DATASET_JSON
    if not isinstance(listed, Mapping):
        raise InputError(f"{path}: 'dataset' is a {type(listed).__name__}; expected {{case: {{images, label}}}}.")
    cases = []
    for name, entry in listed.items():
        images = entry.get("images") if isinstance(entry, Mapping) else None
        if not isinstance(images, list) or len(images) != len(channels) or not isinstance(entry.get("label"), str):
            paths = "one path" if len(channels) == 1 else f"a path for each of {', '.join(channels)}"
            raise InputError(
                f"{path}: 'dataset' has for {name} {entry!r:.200}; expected {{'images': [{paths}], 'label': path}}."
            )
        files = [str((root / str(image)).absolute()) for image in images]
        case: Case = {"image": _image(files, channels), "case_id": str(name)}
        case |= {"label": str((root / entry["label"]).absolute())}
        cases.append(case | stated_items(entry) | stated_patient(entry, f"{path}: {name}"))
    return cases


def _is_nnunet_raw(root: Path, content: Mapping[str, Any] | None) -> bool:
    return has_signs_of_nnunet(content)


NNUNET_RAW = Layout(
    name="nnunet_raw",
    sign="dataset.json has file_ending or channel_names",
    recognises=_is_nnunet_raw,
    read=read_nnunet_raw,
    labels=named_labels,
    regions=nested_regions,
)
