"""Cases of several MRI sequences, one file or DICOM folder each: found by the names of the files.

The order of files never matters: a name says which sequence it is.
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
# how the files of BraTS's years, of the Decathlon and of common tools name the sequences
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
    """What a file or DICOM folder shows, by its name: (the case's part of the name, sequence or "seg" or None).

    The last word of the name decides; if that names no sequence, a single word that does (``id_t1c_bet``). Words are
    parted by anything but letters and digits; case does not matter.

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
    """Case dicts for inference; label maps among the files are passed over.

    Args:
        source: a folder, searched with all folders below, with the files (or DICOM folders) of a case side by side; a
            list of them in any order; or a ``.json`` data list (see `read_sequence_datalist`), of which every case is
            taken.
        sequences: those that a case must have.
        exclude: a folder passed over, for predictions that are written below ``source``.

    Returns:
        ``{"image": {sequence: path}, "case_id": id, "modality": "mr"}``, sorted by id. A case with a sequence missing
        or there twice has an item ``problem`` that says so, which `LoadSequencesd` raises: the other cases go on.

    Raises:
        InputError: nothing there, or a file of a list whose name says no sequence.
    """
    if isinstance(source, (str, Path)) and Path(source).suffix == ".json":
        cases = read_sequence_datalist(source, None, sequences=sequences)
    else:
        paths, base = image_paths(source, exclude)
        cases = group_sequences(paths, base, sequences=sequences, named=not isinstance(source, (str, Path)))
    # files that are a label alone are no case
    return [{key: value for key, value in case.items() if key != "label"} for case in cases if case["image"]]


def group_sequences(
    paths: Sequence[Path], base: Path, *, sequences: Sequence[str] = SEQUENCES, named: bool = False
) -> list[Case]:
    """Cases of the files that lie in one folder and share a name but for the word of the sequence.

    A case's id is what its files' names share; the folder's name where that is nothing; with the folders below
    ``base`` before it where ids recur. Cases that are not complete have an item ``problem``, see `list_sequence_cases`.

    Args:
        paths: the files.
        base: folder that holds them all.
        sequences: those that a case must have.
        named: the user named each file, so that none is passed over.

    Raises:
        InputError: no file's name says a sequence; or a file's does not though ``named``.
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
            raise InputError(f"{path}: the name says no sequence, or several; {_NAMING}. Rename the file")
    if not groups:
        raise InputError(f"{base}: no file's name says a sequence; {_NAMING}. Rename the files")
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
    """Cases of one list of a JSON file, as MONAI's data lists: ``{"training": [{"image": ..., "label": path}]}``.

    ``image`` is a list of files in any order, told apart by their names, or a mapping from sequence to file. Paths are
    relative to the file. ``case_id``, ``fold`` and ``patient`` (or ``patient_id``) are optional. None as section takes
    every list. Cases that are not complete have an item ``problem``, see `list_sequence_cases`.

    Raises:
        InputError: no such file or list, an entry of another form or (``labelled``) without label, ids that recur.
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
        raise InputError(f"{file}: holds no list {section or 'training, validation or test'} with entries")
    cases = [_entry(entry, file, sequences) for entry in entries]
    if unlabelled := [case["case_id"] for case in cases if labelled and "label" not in case]:
        raise InputError(f"{file}: case {unlabelled[0]} has no label. Add it, or take the case out of the list")
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
                raise InputError(f"{file}: {path}: the name says no sequence; {_NAMING}, or give a mapping")
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
        InputError: a sequence is missing or there twice.
    """
    for case in cases:
        if "problem" in case:
            raise InputError(case["problem"])


def _case(
    case_id: str, found: Mapping[str, list[Path]], where: str, sequences: Sequence[str], others: Sequence[str] = ()
) -> Case:
    """The case, with a ``problem`` unless each sequence is there, once, in a file of its own."""
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
            f"case {case_id} {where}: {same[0]} is given for {which}; expected a file of its own for each "
            "sequence. Correct the data list"
        )
    elif twice:
        paths = found[twice[0]]
        case["problem"] = (
            f"case {case_id} {where}: {twice[0]} is there {len(paths)} times ({', '.join(p.name for p in paths)}); "
            "expected one file a sequence. Remove or rename all but one"
        )
    elif missing:
        there = ", ".join(paths[0].name for paths in found.values())
        beside = f" (and {', '.join(others[:5])}, whose name says no sequence)" if others else ""
        case["problem"] = (
            f"case {case_id} {where}: {' and '.join(missing)} missing; found {there}{beside}; expected "
            f"{', '.join(sequences)}. Add or rename the file: {_NAMING}"
        )
    return case


def sequences_beside(path: str | Path, *, sequences: Sequence[str] = SEQUENCES) -> Case:
    """The case that a file belongs to: its name says one sequence, those of its neighbours the others.

    So MONAI Label, whose image is one file, and a viewer, which shows one sequence, get on with several.

    Returns:
        ``{"image": {sequence: path}, "case_id": id, "modality": "mr"}``, with a ``problem`` where it is not complete.

    Raises:
        InputError: the file's name says no sequence.
    """
    file = Path(path).expanduser()
    name, sequence = sequence_of(file)
    if sequence is None:
        raise InputError(f"{file}: the name says no sequence, or several; {_NAMING}. Rename the file")
    found: dict[str, list[Path]] = {}
    for other in sorted(file.parent.iterdir()) if file.parent.is_dir() else []:
        if is_image(other) and not is_left_over(other):
            its_name, its_sequence = sequence_of(other)
            if its_name == name and its_sequence not in (None, LABEL):
                found.setdefault(str(its_sequence), []).append(other)
    return _case(name or file.parent.name, found, f"in {file.parent}", sequences)
