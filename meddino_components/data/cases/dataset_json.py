"""What ``dataset.json`` of AMOS22, nnU-Net and the Medical Segmentation Decathlon says of its cases."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from .patients import stated_patient

DATASET_JSON = "dataset.json"
Case = dict[str, Any]


def read_dataset_json(root: Path) -> dict[str, Any]:
    """The content of a data set's ``dataset.json``.

    Raises:
        InputError: it is missing, or no JSON object.
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
    """The modality of a data set with one channel, whose name must not contradict what the user states.

    Args:
        root: of the data set.
        channels: ``channel_names`` or ``modality`` of its dataset.json.
        modality: as stated by the user.

    Raises:
        InputError: not one channel, a contradiction, or neither says what the modality is.
    """
    path = root / DATASET_JSON
    if not isinstance(channels, dict) or len(channels) != 1:
        raise InputError(f"{path}: channels are {channels!r:.200}; expected exactly one, for instance {{'0': 'CT'}}.")
    name = str(next(iter(channels.values())))
    is_ct = name.upper() == "CT"
    if modality is None and not is_ct:
        raise InputError(f"{path}: the channel is named '{name}', which is not 'CT'. State the modality: ct or mr.")
    if modality == "mr" and is_ct:
        raise InputError(f"{path}: the channel is named 'CT' but the modality given is 'mr'. Correct one of them.")
    return modality or "ct"


def listed_cases(root: Path, name: str) -> list[Case]:
    """Cases of one list; entries are ``{"image", "label"}``, with ``patient`` where it is known, or the image's path.

    Raises:
        InputError: the list or an entry has another form, or case ids or labels recur.
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
    if isinstance(item.get("label"), str):
        return case | {"label": str((root / item["label"]).absolute())}
    # entries that are a path alone: the label lies in the sister folder under the same name
    return case | {"label": str(image.parent.parent / image.parent.name.replace("images", "labels") / image.name)}


def _case_ids(images: list[Path], root: Path) -> list[str]:
    """File names without suffix; the folder's name for those that share a file name."""
    stems = [_stem(p) for p in images]
    count = Counter(stems)
    ids = [s if count[s] == 1 else p.parent.name for s, p in zip(stems, images, strict=True)]
    recurring = sorted(i for i, n in Counter(ids).items() if n > 1)
    if recurring:
        # outputs are named by case id: two cases of one id would overwrite each other
        which = [str(p) for p, i in zip(images, ids, strict=True) if i == recurring[0]]
        raise InputError(
            f"{root / DATASET_JSON}: {len(recurring)} case ids recur, the first '{recurring[0]}' for "
            f"{', '.join(which[:3])}. List each case once, or rename files or folders so that they differ."
        )
    return ids


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] if "." in name else name
