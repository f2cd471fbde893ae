"""Group MRI sequences, one file or DICOM folder each, into cases by their names.

The order of files never matters: the name of a file identifies its sequence.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ...errors import InputError
from ..volumes.file_checks import is_image, stem_of
from ..volumes.found_folders import is_left_over
from .listing import check_unique, image_paths
from .patients import stated_patient

LABEL = "seg"
# names of sequences in files of BraTS by year, of the Decathlon and of common tools
ALIASES: dict[str, tuple[str, ...]] = {
    "t1": ("t1", "t1n", "t1w"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f", "fla"),
    LABEL: ("seg", "segm"),
}
SEQUENCES = ("t1", "t1ce", "t2", "flair")

_OF_ALIAS = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_NAMING = (
    "a name ends in _t1, _t1ce, _t2, _flair (labels: _seg) or in -t1n, -t1c, -t2w, -t2f (labels: -seg), as in BraTS"
)
Case = dict[str, Any]
JsonSection = Literal["training", "validation", "test"]


def sequence_of(path: str | Path) -> tuple[str, str | None]:
    """Split a name into the case's part and the sequence, which may be "seg" or None.

    The last word of the name decides; if it names no sequence, the only word that does (``id_t1c_bet``). Words are
    separated by anything but letters and digits; case is ignored.

    Example:
        >>> sequence_of("BraTS-GLI-00001-000-t1c.nii.gz")
        ('BraTS-GLI-00001-000', 't1ce')
        >>> sequence_of("case7_FLAIR_bet.nii.gz")
        ('case7_bet', 'flair')
    """
    stem = stem_of(Path(path))
    words = list(re.finditer(r"[A-Za-z0-9]+", stem))
    naming = [word for word in words if word[0].lower() in _OF_ALIAS]
    chosen = words[-1] if words and words[-1] in naming else naming[0] if len(naming) == 1 else None
    if chosen is None:
        return stem, None
    before, after = stem[: chosen.start()].rstrip("_-. "), stem[chosen.end() :]
    return (before + after).strip("_-. "), _OF_ALIAS[chosen[0].lower()]


def list_sequence_cases(
    source: str | Path | Iterable[str | Path],
    *,
    sequences: Sequence[str] = SEQUENCES,
    exclude: str | Path | None = None,
) -> list[Case]:
    """Return case dicts for inference; label maps among the files are skipped.

    Args:
        source: folder, searched with its subfolders, in which files (or DICOM folders) of a case are next to each
            other; a list of them in any order; or a ``.json`` data list (see `read_sequence_datalist`), of which all
            cases are used.
        sequences: names of the sequences that a case must have.
        exclude: folder to skip, for predictions that are written below ``source``.

    Returns:
        ``{"image": {sequence: path}, "case_id": id, "modality": "mr"}``, sorted by id. If a sequence of a case is
        missing or duplicated, an item ``problem`` says so, which `LoadSequencesd` raises: the other cases continue.

    Raises:
        InputError: nothing is found, or the name of a listed file identifies no sequence.
    """
    if isinstance(source, (str, Path)) and Path(source).suffix == ".json":
        cases = read_sequence_datalist(source, None, sequences=sequences)
    else:
        paths, base = image_paths(source, exclude)
        cases = group_sequences(paths, base, sequences=sequences, named=not isinstance(source, (str, Path)))
    # a label without sequences is not a case
    return [{key: value for key, value in case.items() if key != "label"} for case in cases if case["image"]]


def group_sequences(
    paths: Sequence[Path], base: Path, *, sequences: Sequence[str] = SEQUENCES, named: bool = False
) -> list[Case]:
    """Group files in the same folder whose names differ only in the word for the sequence.

    A case's id is the common part of its file names, or the folder's name if they share nothing; if ids would be the
    same, the folders below ``base`` precede them. Incomplete cases have an item ``problem``, see `list_sequence_cases`.

    Args:
        paths: paths of the files.
        base: folder that contains them all.
        sequences: names of the sequences that a case must have.
        named: whether the user named each file, so that none may be skipped.

    Raises:
        InputError: no file name identifies a sequence, or, if ``named``, one does not.
    """
    groups: dict[tuple[Path, str], dict[str, list[Path]]] = {}
    others: dict[Path, list[str]] = {}
    for path in sorted(paths):
        name, sequence = sequence_of(path)
        if sequence is not None:
            groups.setdefault((path.parent, name), {}).setdefault(sequence, []).append(path)
            continue
        others.setdefault(path.parent, []).append(path.name)
        if named or len(paths) == 1:
            raise InputError(f"{path}: the name identifies no sequence, or several; {_NAMING}. Rename the file")
    if not groups:
        raise InputError(f"{base}: no file name identifies a sequence; {_NAMING}. Rename the files")
    ids = [name or folder.name for folder, name in groups]
    count = Counter(i.casefold() for i in ids)
    cases = []
    for ((folder, name), found), short in zip(groups.items(), ids, strict=True):
        below = folder.absolute().relative_to(base.absolute()).parts
        parts = [*below, *([name] if name else [])]
        case_id = "_".join(parts) if count[short.casefold()] > 1 and parts else short
        cases.append(_case(case_id, found, f"in {folder}", sequences, others.get(folder, ())))
    check_unique([case["case_id"] for case in cases], [str(folder) for folder, _ in groups])
    return sorted(cases, key=lambda case: str(case["case_id"]))


def read_sequence_datalist(
    path: str | Path, section: JsonSection | None, *, sequences: Sequence[str] = SEQUENCES, labelled: bool = False
) -> list[Case]:
    """Read the cases of one list in a JSON file like MONAI's data lists: ``{"training": [{"image": ..., "label":
    path}]}``.

    ``image`` is a list of files in any order, identified by their names, or a mapping from sequence to file. Paths are
    relative to the file. ``case_id``, ``fold`` and ``patient`` (or ``patient_id``) are optional. None as section reads
    every list. Incomplete cases have an item ``problem``, see `list_sequence_cases`.

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
    if isinstance(images, Mapping):
        for name, path in images.items():
            found.setdefault(_OF_ALIAS.get(str(name).lower(), str(name)), []).append(file.parent / path)
    elif isinstance(images, list) and all(isinstance(path, str) for path in images):
        for path in images:
            sequence = sequence_of(file.parent / path)[1]
            if sequence is None:
                raise InputError(f"{file}: {path}: the name identifies no sequence; {_NAMING}, or give a mapping")
            found.setdefault(sequence, []).append(file.parent / path)
    if not found:
        raise InputError(
            f"{file}: entry {entry!r:.200}; expected {{'image': [files] or {{sequence: file}}, 'label': file}}"
        )
    first = next(iter(found.values()))[0]
    case_id = entry.get("case_id") or sequence_of(first)[0] or first.parent.name
    if "label" in entry:
        found[LABEL] = [file.parent / entry["label"]]
    case = _case(str(case_id), found, f"of {file}", sequences) | stated_patient(entry, f"{file}: {case_id}")
    return case | ({"fold": entry["fold"]} if "fold" in entry else {})


def require_complete(cases: Iterable[Mapping[Any, Any]]) -> None:
    """Raise the first case's ``problem``.

    Raises:
        InputError: a sequence is missing or duplicated.
    """
    for case in cases:
        if "problem" in case:
            raise InputError(case["problem"])


def _case(
    case_id: str, found: Mapping[str, list[Path]], where: str, sequences: Sequence[str], others: Sequence[str] = ()
) -> Case:
    """Return the case, with a ``problem`` unless each sequence has exactly one file of its own."""
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
        beside = f" (and {', '.join(others[:5])}, whose names identify no sequence)" if others else ""
        case["problem"] = (
            f"case {case_id} {where}: {' and '.join(missing)} missing; found {there}{beside}; expected "
            f"{', '.join(sequences)}. Add or rename the file: {_NAMING}"
        )
    return case


def sequences_beside(path: str | Path, *, sequences: Sequence[str] = SEQUENCES) -> Case:
    """Return the case that a file belongs to: its name identifies one sequence, those of its neighbours the others.

    This lets MONAI Label, whose image is one file, and viewers, which show one sequence, work with several.

    Returns:
        ``{"image": {sequence: path}, "case_id": id, "modality": "mr"}``, with a ``problem`` if it is incomplete.

    Raises:
        InputError: the file's name identifies no sequence.
    """
    file = Path(path).expanduser()
    name, sequence = sequence_of(file)
    if sequence is None:
        raise InputError(f"{file}: the name identifies no sequence, or several; {_NAMING}. Rename the file")
    found: dict[str, list[Path]] = {}
    for other in sorted(file.parent.iterdir()) if file.parent.is_dir() else []:
        if is_image(other) and not is_left_over(other):
            its_name, its_sequence = sequence_of(other)
            if its_name == name and its_sequence not in (None, LABEL):
                found.setdefault(str(its_sequence), []).append(other)
    return _case(name or file.parent.name, found, f"in {file.parent}", sequences)
