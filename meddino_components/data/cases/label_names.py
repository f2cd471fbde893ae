"""Read the names of a data set's labels from dataset.json or its layout, and check that stated names match them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from .dataset_json import DATASET_JSON
from .layout import labels_by_number, names_by_label, plain_name
from .layouts import KNOWN, find_layout


def label_names(dataset_dir: str | os.PathLike[str], layout: str | None = None) -> dict[int, str]:
    """Return the names by label that the data set states, including the background.

    Raises:
        InputError: the data set states no names, or not one name per integer, or has nnU-Net's label ``ignore``.
    """
    root = Path(dataset_dir).expanduser().absolute()
    known = KNOWN[find_layout(root, layout)]
    if known.labels is None:
        raise InputError(f"{root}: the layout '{known.name}' has no label names. Set label_names.")
    found = names_by_label(known, root)
    if found is None:
        labels_by_number(root, None, number_first=True)  # raises what is missing
    return found or {}


def class_names(
    *,
    dataset_dir: str | os.PathLike[str] = "",
    layout: str | None = None,
    stated: Sequence[str] | Mapping[int | str, str] | None = None,
    stated_by: str = "label_names",
) -> list[str]:
    """Return the names of classes in order, the background first: those of the data set, or those stated.

    Args:
        dataset_dir: folder of the data set; empty for a run that is given its cases.
        layout: layout of the data set, see `read_datalist`.
        stated: names from the user or from trained weights, which must match the data set; capitals and word separators
            are ignored.
        stated_by: source of the stated names, for messages.

    Raises:
        InputError: the names contradict each other, are not numbered 0, 1, 2 and so on, or nothing states them.
    """
    given = None if stated is None else _in_order(_numbered(stated), stated_by)
    if not os.fspath(dataset_dir):
        default = None if layout is None else KNOWN[layout].default_labels
        if given is None and default is None:
            raise InputError("label_names is not set, and no data set gives the names of its labels: set label_names.")
        return given if given is not None else list((default or {}).values())
    root = Path(dataset_dir).expanduser().absolute()
    layout = find_layout(root, layout)
    labels, listed = KNOWN[layout].labels, KNOWN[layout].has_dataset_json
    if given is not None and (labels is None or labels(root) is None):
        return given
    where = f"{root / DATASET_JSON}" if listed else f"{root} (layout {layout})"
    found = _in_order(label_names(root, layout), f"{where}: 'labels'")
    if given is not None and list(map(plain_name, given)) != list(map(plain_name, found)):
        raise InputError(
            f"{stated_by} and {'dataset.json' if listed else 'the data set'} have different label names: "
            f"{_shown(given)} there, {_shown(found)} in {where}. Omit label_names, give the right weights or data set"
            f"{', or correct ' + repr('labels') + ' in dataset.json' if listed else ''}."
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


def _shown(names: Sequence[str]) -> str:
    text = ", ".join(f"{number} {name}" for number, name in enumerate(names))
    return text if len(text) < 200 else f"{text[:190]}... ({len(names)} in all)"
