"""Find out what the numbers in a folder's label maps stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data.cases.dataset_json import DATASET_JSON, read_dataset_json
from ...data.cases.layout import correctly_spelt, plain_name
from ...data.cases.layouts import KNOWN, recognised_layout
from ...data.cases.nnunet_labels import IGNORE_NAME, nested_regions
from ...data.volumes.partial_labels import numbered_names
from ...data.volumes.regions import Regions
from ...errors import InputError
from ...ignored_label import IGNORE
from ...near_names import near_name
from ..evaluated_folders import recorded_labels

Stated = str | Sequence[str] | Mapping[str, int] | None

_BACKGROUND = "background"
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


def stated_labels(stated: Stated, option: str) -> NamedLabels | None:
    """Return the labels that a user states; None if there are none.

    Args:
        stated: path of a dataset.json, of another JSON file, or of a folder, see `labels_beside`; name of a layout;
            names in order, the background first; or numbers by name.
        option: option by which they are stated, for messages.

    Raises:
        InputError: it is none of these.
    """
    if stated is None:
        return None
    if isinstance(stated, Mapping):
        return _from_pairs(stated, option)
    if not isinstance(stated, str):
        return _from_list(stated, option)
    if stated in KNOWN and (known := KNOWN[stated].default_labels):
        return NamedLabels(names=numbered_names(known), source=f"the layout {stated}")
    path = Path(stated).expanduser()
    if path.is_dir() and (found := labels_beside(path)) is not None:
        return found
    if not path.is_file():
        near = near_name(stated, KNOWN)
        raise InputError(
            f"{option} {stated}: no such file or layout; " + (f"did you mean {near!r}? " if near else "") + _EXPECTED
        )
    return _of_file(path)


def labels_beside(folder: Path) -> NamedLabels | None:
    """Return what the files in a folder of label maps say: the records of this project's cases, or a dataset.json.

    nnU-Net copies its dataset.json next to its predictions; that of a data set is one folder above its labels. If it
    names none, the labels are those of its layout. None if nothing names them.
    """
    if (recorded := recorded_labels(folder)) is not None:
        names, regions, path = recorded
        return NamedLabels(names=numbered_names(names), source=str(path), regions=regions)
    for root in (folder, folder.absolute().parent):
        if (root / DATASET_JSON).is_file():
            return _of_data_set(root)
    return None


def _of_data_set(root: Path) -> NamedLabels | None:
    path = root / DATASET_JSON
    if "labels" in read_dataset_json(root):
        return _of_file(path)
    layout = recognised_layout(root)
    known = None if layout is None else KNOWN[layout].default_labels
    return None if known is None else NamedLabels(names=numbered_names(known), source=f"the layout {layout} of {path}")


def _of_file(path: Path) -> NamedLabels:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); {_EXPECTED}") from error
    labels = content.get("labels", content) if isinstance(content, dict) else content
    if isinstance(labels, list):
        return _from_list(labels, str(path))
    if path.name == DATASET_JSON and (regions := nested_regions(path.parent)) is not None:
        ignored = [labels[IGNORE_NAME]] if IGNORE_NAME in labels else []
        return NamedLabels(names=dict(regions.label_names), source=str(path), ignored=ignored, regions=regions)
    return _from_pairs(labels, str(path))


def _from_list(names: Sequence[Any], source: str) -> NamedLabels:
    if not names or str(names[0]).casefold() != _BACKGROUND:
        raise InputError(
            f"{source}: the labels are {list(names)!r:.200}; expected the background first, as {_BACKGROUND!r}"
        )
    return _from_pairs(dict(enumerate(names)), source)


def _from_pairs(labels: Any, source: str) -> NamedLabels:
    """Return labels from names and numbers, in either order.

    Raises:
        InputError: a number is none from 0 to 255, is given twice, or a name is.
    """
    if not isinstance(labels, Mapping) or not labels:
        raise InputError(f"{source}: the labels are {labels!r:.200}; {_EXPECTED}")
    numbers_first = all(str(key).isdigit() for key in labels)
    pairs = [(key, value) if numbers_first else (value, key) for key, value in labels.items()]
    found: dict[int, str] = {}
    for number, name in pairs:
        whole = str(number).isdigit() and not isinstance(number, bool) and int(number) <= IGNORE
        if not whole or not isinstance(name, str):
            raise InputError(f"{source}: {name!r} has the number {number!r}; expected names with numbers from 0 to 255")
        if int(number) in found:
            raise InputError(f"{source}: {found[int(number)]!r} and {name!r} are both {number}; correct one of them")
        found[int(number)] = name
    ignored = [number for number, name in found.items() if name.casefold() == IGNORE_NAME]
    names = {number: name for number, name in found.items() if number and number not in ignored}
    spelt: dict[str, str] = {}
    for name in names.values():
        if (other := spelt.setdefault(plain_name(name), name)) != name or list(names.values()).count(name) > 1:
            raise InputError(f"{source}: {other!r} and {name!r} are the same name; correct one of them")
    if not names or 0 in ignored:
        raise InputError(
            f"{source}: the labels are {labels!r:.200}; expected at least one structure with a number above 0"
        )
    return NamedLabels(names=correctly_spelt(dict(sorted(names.items()))), source=source, ignored=ignored)
