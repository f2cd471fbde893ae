"""Read cases with several sequences from a list in a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ...errors import InputError
from ..volumes.partial_labels import stated_items
from .listing import check_unique
from .patients import stated_patient
from .sequence_case import Case, sequence_case
from .sequence_names import LABEL, NAMING, SEQUENCES, sequence_of, words_of

JsonSection = Literal["training", "validation", "test"]


def read_sequence_datalist(
    path: str | Path, section: JsonSection | None, *, sequences: Sequence[str] = SEQUENCES, labelled: bool = False
) -> list[Case]:
    """Read the cases of one list in a JSON file like MONAI's data lists: ``{"training": [{"image": ..., "label":
    path}]}``.

    ``image`` is a list of files in any order, identified by their names, or a mapping from sequence to file. Paths are
    relative to the file. ``case_id``, ``fold``, ``patient`` (or ``patient_id``), ``annotated`` and ``label_values`` are
    optional. None as section reads every list. Incomplete cases have an item ``problem``, see `group_sequences`.

    Raises:
        InputError: the file or list does not exist, an entry has another format or (if ``labelled``) no label, or ids
            occur twice.
    """
    file = Path(path).expanduser().absolute()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file. Correct the path of the data list") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file}: cannot be read as JSON ({error}). Write it again") from error
    lists = content if isinstance(content, dict) else {}
    names = [section] if section else [name for name in ("training", "validation", "test") if name in lists]
    entries = [entry for name in names for entry in lists.get(name, [])]
    if not entries:
        raise InputError(f"{file}: contains no list {section or 'training, validation or test'} with entries")
    cases = [_entry(entry, file, sequences) for entry in entries]
    if unlabelled := [case["case_id"] for case in cases if labelled and "label" not in case]:
        raise InputError(f"{file}: case {unlabelled[0]} has no label. Add one, or remove the case from the list")
    check_unique([case["case_id"] for case in cases], [str(file)] * len(cases))
    return cases


def _entry(entry: Any, file: Path, sequences: Sequence[str]) -> Case:
    images = entry.get("image") if isinstance(entry, Mapping) else None
    found: dict[str, list[Path]] = {}
    known = words_of(sequences)
    if isinstance(images, Mapping):
        for name, path in images.items():
            found.setdefault(known.get(str(name).lower(), str(name)), []).append(file.parent / path)
    elif isinstance(images, list) and all(isinstance(path, str) for path in images):
        for path in images:
            sequence = sequence_of(file.parent / path, sequences)[1]
            if sequence is None:
                raise InputError(f"{file}: {path}: the name identifies no sequence; {NAMING}, or give a mapping")
            found.setdefault(sequence, []).append(file.parent / path)
    if not found:
        raise InputError(
            f"{file}: entry {entry!r:.200}; expected {{'image': [files] or {{sequence: file}}, 'label': file}}"
        )
    first = next(iter(found.values()))[0]
    case_id = entry.get("case_id") or sequence_of(first, sequences)[0] or first.parent.name
    if "label" in entry:
        found[LABEL] = [file.parent / entry["label"]]
    case = sequence_case(str(case_id), found, f"of {file}", sequences) | stated_patient(entry, f"{file}: {case_id}")
    return case | stated_items(entry) | ({"fold": entry["fold"]} if "fold" in entry else {})
