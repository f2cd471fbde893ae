"""Describe all DICOM series below a folder, one line each."""

from __future__ import annotations

from pathlib import Path

from ....errors import InputError
from ....wording import counted
from ..found_folders import walk
from .series import list_series


def describe_series(folder: str | Path) -> list[str]:
    """Return one line per series in a folder and below: UID, number of files, facts and folder.

    Hidden folders are skipped. Two spaces follow the UID, so that it can be selected as one word.

    Raises:
        InputError: the folder does not exist or contains no DICOM image, or a file cannot be read.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. Give a folder that contains DICOM files, or folders of them")
    lines = []
    for here, _ in walk(root):
        place = "" if here == root else f", in {here.relative_to(root)}"
        for one in list_series(here):
            n_files = len(one.files)
            lines.append(f"{one.uid}  {counted(n_files, 'file')}, {one.facts()}{place}")
    if not lines:
        raise InputError(f"{root}: neither it nor a folder below it contains a DICOM image. Give another folder")
    return lines
