"""What the numbers in a data set's label maps mean: names from dataset.json, and whether others contradict them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from .dataset_json import DATASET_JSON
from .layout import labels_by_number
from .layouts import KNOWN, find_layout

# as AMOS22's dataset.json spells it, and data sets that were made from it
_MISSPELT = {"arota": "aorta"}


def label_names(dataset_dir: str | os.PathLike[str], layout: str | None = None) -> dict[int, str]:
    """Names by label, the background included, as the data set states them.

    Raises:
        InputError: the data set states none, or not one name for each integer; nnU-Net's label ``ignore``.
    """
    root = Path(dataset_dir).expanduser().absolute()
    known = KNOWN[find_layout(root, layout)]
    if known.labels is None:
        raise InputError(f"{root}: the layout '{known.name}' names no labels. State label_names.")
    found = known.labels(root) or known.default_labels
    if found is None:
        labels_by_number(root, None, number_first=True)  # says what is missing
    return {number: _MISSPELT.get(name, name) for number, name in sorted((found or {}).items())}


def class_names(
    *,
    dataset_dir: str | os.PathLike[str] = "",
    layout: str | None = None,
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
        default = None if layout is None else KNOWN[layout].default_labels
        if given is None and default is None:
            raise InputError("label_names is not set, and there is no data set that names its labels: state them.")
        return given if given is not None else list((default or {}).values())
    root = Path(dataset_dir).expanduser().absolute()
    layout = find_layout(root, layout)
    labels = KNOWN[layout].labels
    if given is not None and (labels is None or labels(root) is None):
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
