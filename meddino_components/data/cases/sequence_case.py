"""Check that a case has each of its sequences exactly once, in a separate file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from .sequence_names import LABEL, NAMING

Case = dict[str, Any]


def sequence_case(
    case_id: str, found: Mapping[str, list[Path]], where: str, sequences: Sequence[str], others: Sequence[str] = ()
) -> Case:
    """Return the case, with a ``problem`` unless each sequence has exactly one file of its own.

    Args:
        case_id: name of the case.
        found: files by sequence, and by `LABEL`.
        where: folder or list of the case, for messages: "in /data/a".
        sequences: names of the sequences that the case must have.
        others: names of files beside it that name no sequence, for messages.
    """
    images = {name: str(found[name][0]) for name in sequences if name in found}
    case: Case = {"image": images, "case_id": case_id, "modality": "mr"}
    if LABEL in found:
        case["label"] = str(found[LABEL][0])
    twice = [name for name, paths in found.items() if len(paths) > 1]
    missing = [name for name in sequences if name not in found]
    same = [path for path, n in Counter(images.values()).items() if n > 1]
    if same:
        which = " and ".join(name for name, path in images.items() if path == same[0])
        case["problem"] = (
            f"case {case_id} {where}: {same[0]} is given for {which}; expected a separate file for each sequence. "
            f"Correct the data list"
        )
    elif twice:
        paths = found[twice[0]]
        case["problem"] = (
            f"case {case_id} {where}: {twice[0]} was found {len(paths)} times ({', '.join(p.name for p in paths)}); "
            "expected one file per sequence. Remove or rename all but one"
        )
    elif missing:
        there = ", ".join(paths[0].name for paths in found.values())
        beside = f" (and {', '.join(others[:5])}, whose name identifies no sequence)" if others else ""
        case["problem"] = (
            f"case {case_id} {where}: {' and '.join(missing)} missing; found {there}{beside}; expected "
            f"{', '.join(sequences)}. Add or rename the file: {NAMING}"
        )
    return case


def require_complete(cases: Iterable[Mapping[Any, Any]]) -> None:
    """Raise the first case's ``problem``.

    Raises:
        InputError: a sequence is missing or duplicated.
    """
    for case in cases:
        if "problem" in case:
            raise InputError(case["problem"])
