"""Group MRI sequences, one file or DICOM folder each, into cases by their names.

The order of files never matters: the name of a file identifies its sequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ..volumes.file_checks import is_image
from ..volumes.found_folders import is_left_over
from .listing import check_unique
from .sequence_case import Case, sequence_case
from .sequence_names import LABEL, NAMING, SEQUENCES, sequence_of


def group_sequences(
    paths: Sequence[Path], base: Path, *, sequences: Sequence[str] = SEQUENCES, named: bool = False
) -> list[Case]:
    """Group files in the same folder whose names differ only in the word for the sequence.

    A case's id is the common part of its file names, or the folder's name if they share nothing; if ids would be the
    same, the folders below ``base`` precede them. If a sequence of a case is missing or duplicated, an
    item ``problem`` says so, which `LoadSequencesd` raises: the other cases continue.

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
        name, sequence = sequence_of(path, sequences)
        if sequence is not None:
            groups.setdefault((path.parent, name), {}).setdefault(sequence, []).append(path)
            continue
        others.setdefault(path.parent, []).append(path.name)
        if named or len(paths) == 1:
            raise InputError(f"{path}: the name identifies no sequence, or several; {NAMING}. Rename the file")
    if not groups:
        raise InputError(f"{base}: no file name identifies a sequence; {NAMING}. Rename the files")
    ids = [name or folder.name for folder, name in groups]
    count = Counter(i.casefold() for i in ids)
    cases = []
    for ((folder, name), found), short in zip(groups.items(), ids, strict=True):
        below = folder.absolute().relative_to(base.absolute()).parts
        parts = [*below, *([name] if name else [])]
        case_id = "_".join(parts) if count[short.casefold()] > 1 and parts else short
        cases.append(sequence_case(case_id, found, f"in {folder}", sequences, others.get(folder, ())))
    check_unique([case["case_id"] for case in cases], [str(folder) for folder, _ in groups])
    return sorted(cases, key=lambda case: str(case["case_id"]))


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
        raise InputError(f"{file}: the name identifies no sequence, or several; {NAMING}. Rename the file")
    found: dict[str, list[Path]] = {}
    for other in sorted(file.parent.iterdir()) if file.parent.is_dir() else []:
        if is_image(other) and not is_left_over(other):
            its_name, its_sequence = sequence_of(other)
            if its_name == name and its_sequence not in (None, LABEL):
                found.setdefault(str(its_sequence), []).append(other)
    return sequence_case(name or file.parent.name, found, f"in {file.parent}", sequences)
