"""Train on several data sets with different labels together: a JSON file lists them, each in a layout of its own.

::

    {"data_sets": [
        {"dataset_dir": "/data/Task09_Spleen"},
        {"dataset_dir": "/data/Dataset123_Organs", "names": {"lien": "spleen"}, "modality": "ct"}
    ]}

``names`` translates label names of a data set; "background" as the new name drops a label. ``label_names`` beside
``data_sets`` states all names in their order; without it they follow the lists. In each case, ``annotated`` names the
labels that its data set has, and ``label_values`` renumbers them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...ignored_label import IGNORE
from ...near_names import near_name
from ..volumes.ct_or_mr import Modality, parse_modality
from ..volumes.partial_labels import stated_values
from .dataset_json import Case
from .layout import Layout, Section, names_by_label, plain_name
from .patients import patient_of

_LIST = "data_sets"
_KEYS = ("dataset_dir", "layout", "names", "modality", "label_names", "name")
_BACKGROUND = "background"
# no network has so many classes, so that a label map with it is refused
_NO_LABEL = IGNORE - 1

LayoutOf = Callable[[Path, str | None], Layout]


@dataclass(frozen=True, kw_only=True)
class _Member:
    """A data set of the list.

    Attributes:
        root: its folder.
        layout: its layout.
        name: text before the ids of its cases.
        modality: its modality, if stated.
        names: names in the joined set by label of this data set.
        translated: names in the joined set by name in this data set.
    """

    root: Path
    layout: Layout
    name: str
    modality: Modality | None
    names: Mapping[int, str]
    translated: Mapping[str, str] = field(default_factory=dict)


def joined_layout(layout_of: LayoutOf) -> Layout:
    """Return the layout of a JSON file that lists data sets.

    Args:
        layout_of: function that returns the layout of a folder, given the stated one or None.
    """

    def read(root: Path, section: Section, modality: Modality | None) -> list[Case]:
        members, names = _members(root, layout_of)
        cases = []
        for member in members:
            wanted = member.modality or modality
            found = member.layout.read(member.root, section, wanted)
            cases += [_joined(case, member, names) for case in found if wanted in (None, case["modality"])]
        return cases

    return Layout(
        name="joined",
        sign="a JSON file with data_sets",
        recognises=is_joined,
        read=read,
        labels=lambda root: dict(enumerate(_members(root, layout_of)[1])),
        has_dataset_json=False,
    )


def is_joined(root: Path, content: Mapping[str, Any] | None = None) -> bool:
    """Return whether this is a JSON file that lists data sets."""
    if root.suffix.lower() != ".json" or not root.is_file():
        return False
    try:
        listed = json.loads(root.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(listed, dict) and _LIST in listed


def _members(file: Path, layout_of: LayoutOf) -> tuple[list[_Member], list[str]]:
    """Return the data sets of a list, and the names of all their labels, the background first.

    Raises:
        InputError: the file or an entry is not as expected, two data sets have the same name, ``names`` translates an
            unknown name, or ``label_names`` lacks one.
    """
    content = _content(file)
    members = [_member(entry, file, layout_of) for entry in content[_LIST]]
    if twice := [name for name, n in Counter(member.name for member in members).items() if n > 1]:
        raise InputError(
            f"{file}: {len(members)} data sets, of which two are named {twice[0]!r}, which begins the ids of their "
            "cases. Add 'name' to one of them"
        )
    names = _all_names(content.get("label_names"), members, file)
    if len(names) > _NO_LABEL:
        raise InputError(f"{file}: {len(names)} labels in all; expected at most {_NO_LABEL}. Join fewer data sets")
    return members, names


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as JSON ({error}). Correct the path, or write it again") from error
    listed = content.get(_LIST) if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        raise InputError(f"{file}: {_LIST!r} is {listed!r:.200}; expected a list, [{{'dataset_dir': folder}}, ...]")
    for key in (key for entry in listed for key in entry if key not in _KEYS):
        near = near_name(key, _KEYS)
        advice = f"Did you mean {near!r}?" if near else "Remove it"
        raise InputError(f"{file}: a data set has the key {key!r}; expected some of {', '.join(_KEYS)}. {advice}")
    return dict(content)


def _member(entry: Mapping[str, Any], file: Path, layout_of: LayoutOf) -> _Member:
    if not isinstance(entry.get("dataset_dir"), str):
        raise InputError(f"{file}: a data set has no 'dataset_dir'; expected the path of its folder. Add it")
    root = (file.parent / Path(entry["dataset_dir"]).expanduser()).absolute()
    layout = layout_of(root, entry.get("layout"))
    stated = entry.get("label_names")
    labels = dict(enumerate(map(str, stated))) if stated else names_by_label(layout, root)
    if labels is None:
        raise InputError(
            f"{file}: {root} has the layout '{layout.name}', which states no names of labels. Add 'label_names' to its "
            "entry, the background first"
        )
    given = entry.get("names") or {}
    if not isinstance(given, dict):
        raise InputError(f"{file}: 'names' of {root} is {given!r:.200}; expected {{'name there': 'name here'}}")
    wanted = {plain_name(str(there)): str(here) for there, here in given.items()}
    if unknown := [there for there in given if plain_name(str(there)) not in map(plain_name, labels.values())]:
        raise InputError(
            f"{file}: 'names' translates {unknown[0]!r}, which {root} does not have; expected some of "
            f"{', '.join(labels.values())}. Correct it"
        )
    translated = {name: wanted.get(plain_name(name), name) for name in labels.values()}
    modality = entry.get("modality")
    return _Member(
        root=root,
        layout=layout,
        name=str(entry.get("name") or (root.stem if root.is_file() else root.name)),
        modality=None if modality is None else parse_modality(modality, f"{file}: modality"),
        names={label: translated[name] for label, name in labels.items() if label},
        translated=translated,
    )


def _all_names(stated: Any, members: Sequence[_Member], file: Path) -> list[str]:
    ordered: dict[str, str] = {}
    for name in (name for member in members for name in member.names.values()):
        ordered.setdefault(plain_name(name), name)
    ordered.pop(plain_name(_BACKGROUND), None)
    if stated is None:
        return [_BACKGROUND, *ordered.values()]
    names = [str(name) for name in stated] if isinstance(stated, list) else []
    if lacking := [name for plain, name in ordered.items() if plain not in map(plain_name, names)]:
        raise InputError(
            f"{file}: 'label_names' is {stated!r:.200}, without {lacking[0]!r}; expected all names of the data sets, "
            "the background first. Add it, or translate it by 'names'"
        )
    return names


def _joined(case: Case, member: _Member, names: Sequence[str]) -> Case:
    """Return a case of a data set as a case of the joined set."""
    joined = case | {"case_id": f"{member.name}_{case['case_id']}", "patient": patient_of(case)}
    if "label" not in case:
        return joined
    numbers = {plain_name(name): number for number, name in enumerate(names)}
    joined = {name: value for name, value in joined.items() if name not in ("annotated", "label_values")}
    known = _annotated(case, member, names)
    if len(known) < len(names) - 1:
        joined["annotated"] = known
    if isinstance(case["label"], Mapping):
        return joined | {"label": _renamed(case, member)}
    table = {label: numbers[plain_name(name)] for label, name in member.names.items()}
    values = {value: table.get(label, label) for value, label in stated_values(case).items()}
    values = table | values
    # a label without a name there must not become one of another data set
    values |= {label: _NO_LABEL for label in range(1, len(names)) if label not in values}
    changed = {str(value): label for value, label in values.items() if value != label or label == IGNORE}
    return joined | ({"label_values": changed} if changed else {})


def _annotated(case: Case, member: _Member, names: Sequence[str]) -> list[str]:
    """Return the names that were annotated in a case: a name that joins several labels, if all of them were."""
    stated = case.get("annotated")
    there = {name for name in member.translated if stated is None or name in stated}
    here = {plain_name(name) for name in member.names.values()}
    here -= {plain_name(new) for old, new in member.translated.items() if old not in there}
    return [name for name in names[1:] if plain_name(name) in here]


def _renamed(case: Case, member: _Member) -> dict[str, Any]:
    """Return the files of the classes by their new names."""
    files: dict[str, Any] = {}
    for name, path in case["label"].items():
        here = member.translated.get(name, name)
        if here in files:
            raise InputError(
                f"case {case['case_id']} of {member.root}: two files become {here!r}; expected one file for each name. "
                "Give them different 'names'"
            )
        files |= {} if plain_name(here) == _BACKGROUND else {here: path}
    return files
