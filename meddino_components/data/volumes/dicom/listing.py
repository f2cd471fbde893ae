"""All DICOM series below a folder, as lines to read and to copy UIDs from."""

from __future__ import annotations

from pathlib import Path

from ....errors import InputError
from ..found_folders import walk
from .series import list_series


def describe_series(folder: str | Path) -> list[str]:
    """A line for each series of a folder and of those below it: UID, number of files, what it is, and where.

    Hidden folders are passed over. The UID stands alone, so that it can be copied as a word.

    Raises:
        InputError: no such folder, no DICOM image in it, or a file that cannot be read.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. Give one that holds DICOM files, or folders of them")
    lines = []
    for here, _ in walk(root):
        place = "" if here == root else f", in {here.relative_to(root)}"
        for one in list_series(here):
            n_files = len(one.files)
            lines.append(f"{one.uid}  {n_files} {'file' if n_files == 1 else 'files'}, {one.facts()}{place}")
    if not lines:
        raise InputError(f"{root}: holds no DICOM image, nor does a folder below it")
    return lines
