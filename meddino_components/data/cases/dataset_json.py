"""Read cases and modality from the ``dataset.json`` of AMOS22, nnU-Net and the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.channel_modality import CaseModality, joint_modality, modality_of_channel
from ..volumes.ct_or_mr import Modality
from ..volumes.partial_labels import stated_items
from .patients import stated_patient
from .sequence_names import channel_key

DATASET_JSON = "dataset.json"
Case = dict[str, Any]


def read_dataset_json(root: Path) -> dict[str, Any]:
    """Return the content of a data set's ``dataset.json``.

    Raises:
        InputError: the file is missing, or not a JSON object.
    """
    path = root / DATASET_JSON
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file. Set dataset_dir to the folder that holds dataset.json.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}). Download or write it again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; expected an object.")
    return content


def stated_modality(root: Path, channels: Any, modality: Modality | None) -> Modality:
    """Return the modality of a data set with one channel, whose name must not contradict the user.

    Args:
        root: folder of the data set.
        channels: value of ``channel_names`` or ``modality`` in its dataset.json.
        modality: modality that the user states.

    Raises:
        InputError: there is not exactly one channel, the statements contradict each other, or nothing states the
            modality.
    """
    path = root / DATASET_JSON
    if not isinstance(channels, dict) or len(channels) != 1:
        raise InputError(f"{path}: channels are {channels!r:.200}; expected exactly one, such as {{'0': 'CT'}}.")
    name = str(next(iter(channels.values())))
    is_ct = name.upper() == "CT"
    if modality is None and not is_ct:
        raise InputError(f"{path}: the channel is named '{name}', which is not 'CT'. State the modality: ct or mr.")
    if modality == "mr" and is_ct:
        raise InputError(f"{path}: the channel is named 'CT' but the modality given is 'mr'. Correct one of them.")
    return modality or "ct"


def stated_channels(root: Path, channels: Any) -> list[str]:
    """Return the names of a data set's channels in the order of their numbers.

    Args:
        root: folder of the data set.
        channels: value of ``channel_names`` or ``modality`` in its dataset.json.

    Raises:
        InputError: the channels are not numbered from 0, or two have the same name.
    """
    path = root / DATASET_JSON
    numbered = {str(number): str(name) for number, name in channels.items()} if isinstance(channels, dict) else {}
    if not numbered or set(numbered) != {str(number) for number in range(len(numbered))}:
        raise InputError(
            f"{path}: channels are {channels!r:.200}; expected names numbered from 0, such as "
            f"{{'0': 'CT', '1': 'PET'}}."
        )
    names = [numbered[str(number)] for number in range(len(numbered))]
    if len({channel_key(name) for name in names}) < len(names):
        raise InputError(f"{path}: channels are {', '.join(names)}; expected a name for each. Rename one of them.")
    return names


def channels_modality(root: Path, channels: Any, modality: Modality | None) -> CaseModality:
    """Return the modality of a data set's cases: of its one channel, or of each channel where they differ.

    Args:
        root: folder of the data set.
        channels: value of ``channel_names`` or ``modality`` in its dataset.json.
        modality: modality that the user states, for all channels.

    Raises:
        InputError: see `stated_channels`; nothing states the modality of the only channel, or the user contradicts the
            name of a channel.
    """
    names = stated_channels(root, channels)
    if len(names) == 1:
        return stated_modality(root, channels, modality)
    path = root / DATASET_JSON
    found = {name: modality_of_channel(name, str(path)) for name in names}
    if modality is None:
        return joint_modality(found)
    if other := [name for name, one in found.items() if one not in (modality, "zscore")]:
        raise InputError(
            f"{path}: the channel '{other[0]}' is {found[other[0]]} but the modality given is '{modality}'. Omit the "
            f"modality: it follows from the names of the channels."
        )
    return modality


def listed_cases(root: Path, name: str) -> list[Case]:
    """Return the cases of one list.

    Entries are ``{"image", "label"}``, with ``patient`` and the items of `stated_items` if known, or the image's path.

    Raises:
        InputError: the list or an entry has another format, or case ids or labels occur twice.
    """
    entries = read_dataset_json(root).get(name, [])
    if not isinstance(entries, list):
        raise InputError(f"{root / DATASET_JSON}: '{name}' is a {type(entries).__name__}; expected a list.")
    cases = [_case(entry, root, labelled=name != "test") for entry in entries]
    ids = _case_ids([Path(case["image"]) for case in cases], root)
    labels = Counter(case["label"] for case in cases if "label" in case)
    if recurring := [label for label, n in labels.items() if n > 1]:
        raise InputError(
            f"{root / DATASET_JSON}: {recurring[0]} is the label of more than one image; expected one for each. "
            "Correct the list."
        )
    return [case | {"case_id": case_id} for case, case_id in zip(cases, ids, strict=True)]


def _case(entry: Any, root: Path, *, labelled: bool) -> Case:
    item = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(item, dict) or not isinstance(item.get("image"), str):
        raise InputError(
            f"{root / DATASET_JSON}: entry {entry!r:.200}; expected {{'image': path, 'label': path}} or a path."
        )
    image = (root / item["image"]).absolute()
    case: Case = {"image": str(image), **stated_patient(item, f"{root / DATASET_JSON}: {item['image']}")}
    if not labelled:
        return case
    case |= stated_items(item)
    if isinstance(item.get("label"), str):
        return case | {"label": str((root / item["label"]).absolute())}
    # if an entry is just a path, the label has the same name in the corresponding folder of labels
    return case | {"label": str(image.parent.parent / image.parent.name.replace("images", "labels") / image.name)}


def _case_ids(images: list[Path], root: Path) -> list[str]:
    """Return file names without suffix, or the folder's name for files that share a name."""
    stems = [_stem(p) for p in images]
    count = Counter(stems)
    ids = [s if count[s] == 1 else p.parent.name for s, p in zip(stems, images, strict=True)]
    recurring = sorted(i for i, n in Counter(ids).items() if n > 1)
    if recurring:
        # outputs are named by case id: two cases with the same id would overwrite each other
        which = [str(p) for p, i in zip(images, ids, strict=True) if i == recurring[0]]
        raise InputError(
            f"{root / DATASET_JSON}: repeated case ids: {len(recurring)}, the first one '{recurring[0]}' "
            f"for {', '.join(which[:3])}. List each case once, or rename files or folders so that they differ."
        )
    return ids


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] if "." in name else name
