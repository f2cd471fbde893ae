"""What has to be known of a layout, that is, of the way in which a data set lies on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from .dataset_json import DATASET_JSON, Case, read_dataset_json

Section = Literal["training", "validation", "all_labelled", "official_validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout of data sets. `layouts` lists all of them.

    Attributes:
        name: as ``dataset_layout`` states it.
        sign: by what the layout is recognised, in words, for messages.
        recognises: whether a folder or file is of this layout beyond doubt, given the content of its ``dataset.json``,
            or None if it has none.
        read: the cases of a section in any order, of the stated modality if the data set does not say it, see
            `read_datalist`. "training" and "validation" are read alike, as all labelled cases.
        labels: gives names by label, or None if a data set states none; left out for a layout that never does.
        default_labels: names by label where the data set states none.
        has_dataset_json: its cases are listed in ``dataset.json``.
        beside_dataset_json: a folder may be stated to be of this layout though its ``dataset.json`` is of another.
        joins_validation: nnU-Net's folds are of the training and the validation list together.
    """

    name: str
    sign: str
    recognises: Callable[[Path, Mapping[str, Any] | None], bool]
    read: Callable[[Path, Section, Modality | None], list[Case]]
    labels: Callable[[Path], Mapping[int, str] | None] | None = None
    default_labels: Mapping[int, str] | None = None
    has_dataset_json: bool = True
    beside_dataset_json: bool = False
    joins_validation: bool = False


def numbered_labels(root: Path) -> dict[int, str] | None:
    """``labels`` of a dataset.json that maps numbers to names.

    Raises:
        InputError: there is no dataset.json, or its labels are not one name for each integer.
    """
    labels = read_dataset_json(root).get("labels")
    return None if labels is None else labels_by_number(root, labels, number_first=True)


def labels_by_number(root: Path, labels: Any, *, number_first: bool) -> dict[int, str]:
    """Names by label from ``labels`` of dataset.json, which maps either to the other.

    Raises:
        InputError: it is no mapping between integers and names, or gives one number to two names.
    """
    path = root / DATASET_JSON
    try:
        if not isinstance(labels, dict):
            raise TypeError
        pairs = [(int(a), str(b)) if number_first else (int(b), str(a)) for a, b in labels.items()]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: 'labels' is {labels!r:.200}; expected one integer id a name (no regions)."
        ) from error
    if len(dict(pairs)) != len(pairs):
        raise InputError(f"{path}: 'labels' gives one id to two names: {labels!r:.200}.")
    return dict(sorted(pairs))


def listed_images(content: Mapping[str, Any] | None) -> list[Any]:
    """The images of the training list of a dataset.json, or of its test list if that is empty."""
    content = content or {}
    entries = content.get("training")
    if not isinstance(entries, list) or not entries:
        entries = content.get("test") if isinstance(content.get("test"), list) else []
    return [entry.get("image") if isinstance(entry, dict) else entry for entry in entries or []]
