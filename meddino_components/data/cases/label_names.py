"""What the numbers in a data set's label maps mean: names from dataset.json, and whether others contradict them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from .dataset_json import DATASET_JSON, read_dataset_json
from .layouts import Layout, find_layout

AMOS_LABELS: dict[int, str] = {
    0: "background",
    1: "spleen",
    2: "right kidney",
    3: "left kidney",
    4: "gall bladder",
    5: "esophagus",
    6: "liver",
    7: "stomach",
    8: "aorta",
    9: "postcava",
    10: "pancreas",
    11: "right adrenal gland",
    12: "left adrenal gland",
    13: "duodenum",
    14: "bladder",
    15: "prostate/uterus",
}
# layouts without dataset.json
_WITHOUT_NAMES = ("brats", "dicom")
# nnU-Net's name of voxels that nobody has labelled
_IGNORE = "ignore"
# as AMOS22's dataset.json spells it, and data sets that were made from it
_MISSPELT = {"arota": "aorta"}


def label_names(dataset_dir: str | os.PathLike[str], layout: Layout | None = None) -> dict[int, str]:
    """Label id to name, background included, from dataset.json.

    Raises:
        InputError: dataset.json missing or its "labels" not one name an id; nnU-Net's label ``ignore``.
    """
    root = Path(dataset_dir).expanduser().absolute()
    layout = find_layout(root, layout)
    if layout in _WITHOUT_NAMES:
        raise InputError(f"{root}: the layout '{layout}' names no labels. State label_names.")
    labels = read_dataset_json(root).get("labels")
    if layout == "amos" and labels is None:
        return dict(AMOS_LABELS)
    path = root / DATASET_JSON
    if layout == "nnunet_raw" and isinstance(labels, dict) and _IGNORE in labels:
        raise InputError(
            f"{path}: label {labels[_IGNORE]!r} is '{_IGNORE}', nnU-Net's for voxels that count nowhere, and this "
            f"version cannot leave voxels out. Take '{_IGNORE}' out of 'labels' once no map holds it: leave these "
            "cases out, or set the voxels to 0 where they are background."
        )
    try:
        if not isinstance(labels, dict):
            raise TypeError
        # nnU-Net v2 maps names to ids, the others ids to names
        pairs = [(int(v), str(k)) if layout == "nnunet_raw" else (int(k), str(v)) for k, v in labels.items()]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: 'labels' is {labels!r:.200}; expected one integer id a name (no regions)."
        ) from error
    if len(dict(pairs)) != len(pairs):
        raise InputError(f"{path}: 'labels' gives one id to two names: {labels!r:.200}.")
    return {number: _MISSPELT.get(name, name) for number, name in sorted(pairs)}


def class_names(
    *,
    dataset_dir: str | os.PathLike[str] = "",
    layout: Layout | None = None,
    stated: Sequence[str] | Mapping[int | str, str] | None = None,
    stated_by: str = "label_names",
) -> list[str]:
    """Names of a data set's classes by number, the background first: of dataset.json, or as they are stated.

    Args:
        dataset_dir: of the data set; empty for a run that is handed its cases.
        layout: see `read_datalist`.
        stated: names by the user or of trained weights, which must not contradict dataset.json; capitals and what is
            between words do not count.
        stated_by: what states them, for messages.

    Raises:
        InputError: names that contradict, that are not numbered 0, 1, 2 and so on, or that nothing states.
    """
    given = None if stated is None else _in_order(_numbered(stated), stated_by)
    if not os.fspath(dataset_dir):
        if given is None and layout != "amos":
            raise InputError("label_names is not set, and there is no data set that names its labels: state them.")
        return given if given is not None else list(AMOS_LABELS.values())
    root = Path(dataset_dir).expanduser().absolute()
    layout = find_layout(root, layout)
    if given is not None and (layout in _WITHOUT_NAMES or "labels" not in read_dataset_json(root)):
        return given
    found = _in_order(label_names(root, layout), f"{root / DATASET_JSON}: 'labels'")
    if given is not None and list(map(_plain, given)) != list(map(_plain, found)):
        raise InputError(
            f"{stated_by} and dataset.json name the labels otherwise: {_shown(given)} there, {_shown(found)} in "
            f"{root / DATASET_JSON}. Leave label_names out, take the weights or the data set that are meant, or "
            "correct 'labels' of dataset.json."
        )
    return given if given is not None else found


def _numbered(names: Sequence[str] | Mapping[int | str, str]) -> dict[int, str]:
    try:
        items = names.items() if isinstance(names, Mapping) else enumerate([names] if isinstance(names, str) else names)
        return {int(number): str(name) for number, name in items}
    except (TypeError, ValueError) as error:
        raise InputError(f"label_names is {names!r:.200}; expected a list of names, the background first.") from error


def _in_order(names: Mapping[int, str], where: str) -> list[str]:
    if sorted(names) != list(range(len(names))) or len(names) < 2:
        raise InputError(f"{where} has the numbers {sorted(names)}; expected 0 (background), 1, 2 and so on.")
    return [name for _, name in sorted(names.items())]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _shown(names: Sequence[str]) -> str:
    text = ", ".join(f"{number} {name}" for number, name in enumerate(names))
    return text if len(text) < 200 else f"{text[:190]}... ({len(names)} in all)"
