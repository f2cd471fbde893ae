"""Find out what the numbers in a folder's label maps stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data.cases.dataset_json import DATASET_JSON
from ...data.cases.layout import correctly_spelt
from ...data.cases.layouts import KNOWN
from ...data.cases.nnunet_labels import nested_regions
from ...data.volumes.partial_labels import numbered_names
from ...data.volumes.regions import Regions
from ...errors import InputError
from ..evaluated_folders import recorded_labels

Stated = str | Sequence[str] | Mapping[str, int] | None

_IGNORE = "ignore"
_EXPECTED = (
    "expected a dataset.json, a JSON file with {name: number}, a list of names with the background first, "
    "\"{'liver': 1}\", or the name of a layout such as totalsegmentator"
)


@dataclass(frozen=True, kw_only=True)
class NamedLabels:
    """The meaning of the numbers in label maps.

    Attributes:
        names: names by number, without the background.
        source: what says so, for messages.
        ignored: numbers of voxels that nobody annotated.
        regions: nested regions that the labels form; None for classes.
    """

    names: Mapping[int, str]
    source: str
    ignored: Sequence[int] = ()
    regions: Regions | None = field(default=None, compare=False)


def stated_labels(stated: Stated) -> NamedLabels | None:
    """Return the labels that a user states; None if there are none.

    Args:
        stated: path of a dataset.json, of another JSON file, or of a folder, see `labels_beside`; name of a layout;
            names in order, the background first; or numbers by name.

    Raises:
        InputError: it is none of these.
    """
    if stated is None:
        return None
    if isinstance(stated, Mapping):
        return _from_pairs(stated, "--labels")
    if not isinstance(stated, str):
        return _from_pairs({name: number for number, name in enumerate(stated)}, "--labels")
    if stated in KNOWN and (known := KNOWN[stated].default_labels):
        return NamedLabels(names=numbered_names(known), source=f"the layout {stated}")
    path = Path(stated).expanduser()
    if path.is_dir() and (found := labels_beside(path)) is not None:
        return found
    if not path.is_file():
        raise InputError(f"{stated}: no such file or layout; {_EXPECTED}")
    return _of_file(path)


def labels_beside(folder: Path) -> NamedLabels | None:
    """Return what the files in a folder of label maps say: the records of this project's cases, or a dataset.json.

    nnU-Net copies its dataset.json next to its predictions; that of a data set is one folder above its labels. None if
    there is neither.
    """
    if (recorded := recorded_labels(folder)) is not None:
        names, regions, path = recorded
        return NamedLabels(names=numbered_names(names), source=str(path), regions=regions)
    for path in (folder / DATASET_JSON, folder.absolute().parent / DATASET_JSON):
        if path.is_file():
            return _of_file(path)
    return None


def _of_file(path: Path) -> NamedLabels:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); {_EXPECTED}") from error
    labels = content.get("labels", content) if isinstance(content, dict) else content
    if isinstance(labels, list):
        labels = {name: number for number, name in enumerate(labels)}
    if path.name == DATASET_JSON and (regions := nested_regions(path.parent)) is not None:
        ignored = [labels[_IGNORE]] if _IGNORE in labels else []
        return NamedLabels(names=dict(regions.label_names), source=str(path), ignored=ignored, regions=regions)
    return _from_pairs(labels, str(path))


def _from_pairs(labels: Any, source: str) -> NamedLabels:
    """Return labels from names and numbers, in either order."""
    try:
        numbered = all(str(key).isdigit() for key in labels)
        pairs = [(int(key), str(value)) if numbered else (int(value), str(key)) for key, value in labels.items()]
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{source}: the labels are {labels!r:.200}; {_EXPECTED}") from error
    names = numbered_names({number: name for number, name in pairs if name != _IGNORE})
    if not names or len(dict(pairs)) < len(pairs):
        raise InputError(f"{source}: the labels are {labels!r:.200}; expected one number for each name")
    return NamedLabels(
        names=correctly_spelt(dict(sorted(names.items()))),
        source=source,
        ignored=[number for number, name in pairs if name == _IGNORE],
    )
