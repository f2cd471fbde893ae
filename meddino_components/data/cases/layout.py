"""Define what a layout is: how a data set is arranged on disk, and how to read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from ..volumes.regions import Regions
from .dataset_json import DATASET_JSON, Case, read_dataset_json

# spelling in AMOS22's dataset.json, and in data sets derived from it
_MISSPELT = {"arota": "aorta"}

Section = Literal["training", "validation", "all_labelled", "official_validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout of data sets. `layouts` lists all of them.

    Attributes:
        name: name of the layout, for ``dataset_layout``.
        sign: feature that identifies the layout, in words, for messages.
        recognises: function that tells whether a folder or file certainly has this layout, given the content of its
            ``dataset.json``, or None if it has none.
        read: function that returns the cases of a section in any order, with the stated modality if the data set has
            none, see `read_datalist`. For both "training" and "validation" it returns all labelled cases.
        labels: function that returns names by label, or None if the data set states none; omitted for a layout without
            names.
        default_labels: names by label if the data set states none.
        regions: function that returns nested regions, or None for exclusive classes; omitted for a layout without
            regions.
        has_dataset_json: whether ``dataset.json`` lists its cases.
        beside_dataset_json: whether the user may state this layout for a folder whose ``dataset.json`` has another.
        joins_validation: whether nnU-Net's folds cover the training and the validation list together.
    """

    name: str
    sign: str
    recognises: Callable[[Path, Mapping[str, Any] | None], bool]
    read: Callable[[Path, Section, Modality | None], list[Case]]
    labels: Callable[[Path], Mapping[int, str] | None] | None = None
    default_labels: Mapping[int, str] | None = None
    regions: Callable[[Path], Regions | None] | None = None
    has_dataset_json: bool = True
    beside_dataset_json: bool = False
    joins_validation: bool = False


def no_validation_list(root: Path, layout: Layout) -> InputError:
    """Return the error for "official_validation" of a data set that has no such list."""
    return InputError(f"{root}: layout '{layout.name}' has no validation list of its own. Use section 'validation'.")


def names_by_label(layout: Layout, root: Path) -> dict[int, str] | None:
    """Return the names by label that a data set states, including the background; None if it states none."""
    found = None if layout.labels is None else layout.labels(root) or layout.default_labels
    return None if found is None else correctly_spelt(dict(sorted(found.items())))


def correctly_spelt(names: Mapping[int, str]) -> dict[int, str]:
    """Return names by label with the known misspellings of public data sets corrected."""
    return {number: _MISSPELT.get(name, name) for number, name in names.items()}


def plain_name(name: str) -> str:
    """Return a label's name as names are compared: without capitals, and with one kind of separator."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def numbered_labels(root: Path) -> dict[int, str] | None:
    """Read ``labels`` of a dataset.json that maps numbers to names.

    Raises:
        InputError: there is no dataset.json, or its labels are not one name per integer.
    """
    labels = read_dataset_json(root).get("labels")
    return None if labels is None else labels_by_number(root, labels, number_first=True)


def labels_by_number(root: Path, labels: Any, *, number_first: bool) -> dict[int, str]:
    """Return names by label from ``labels`` of dataset.json, which maps numbers to names or names to numbers.

    Raises:
        InputError: ``labels`` is not a mapping between integers and names, or gives two names the same number.
    """
    path = root / DATASET_JSON
    try:
        if not isinstance(labels, dict):
            raise TypeError
        pairs = [(int(a), str(b)) if number_first else (int(b), str(a)) for a, b in labels.items()]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: 'labels' is {labels!r:.200}; expected one integer id per name (no regions)."
        ) from error
    if len(dict(pairs)) != len(pairs):
        raise InputError(f"{path}: 'labels' gives two names the same id: {labels!r:.200}.")
    return dict(sorted(pairs))


def listed_images(content: Mapping[str, Any] | None) -> list[Any]:
    """Return the images in the training list of a dataset.json, or in its test list if that is empty."""
    content = content or {}
    entries = content.get("training")
    if not isinstance(entries, list) or not entries:
        entries = content.get("test") if isinstance(content.get("test"), list) else []
    return [entry.get("image") if isinstance(entry, dict) else entry for entry in entries or []]
