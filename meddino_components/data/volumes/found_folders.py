"""Walk through folders of scans: follow links without loops, and skip left-overs.

Left-overs are hidden files, macOS's ``._name`` files on other file systems, and ``__MACOSX`` folders of its archives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ...errors import InputError

_ARCHIVE_LEFTOVERS = "__MACOSX"


def is_left_over(path: Path) -> bool:
    """Return whether a file or folder is hidden or a left-over of macOS, by its name and its folder's name."""
    return path.name.startswith(".") or path.name == _ARCHIVE_LEFTOVERS or path.parent.name == _ARCHIVE_LEFTOVERS


def has_data(folder: Path) -> bool:
    """Return whether a folder exists and contains more than left-overs."""
    return folder.is_dir() and not all(map(is_left_over, folder.iterdir()))


def walk(
    root: Path, exclude: Path | None = None, skip: Callable[[Path], bool] | None = None
) -> Iterator[tuple[Path, list[Path]]]:
    """Yield each folder from ``root`` downwards, sorted, with its files; left-overs are skipped.

    A link to a folder is followed unless it leads to a folder above it, which would loop forever.

    Args:
        root: folder to start from.
        exclude: resolved path of a folder to skip.
        skip: function that returns whether to skip a folder below ``root``.

    Raises:
        InputError: a folder cannot be listed.
    """
    try:
        entries = sorted(path for path in root.iterdir() if not is_left_over(path))
    except OSError as error:
        raise InputError(f"{root}: the folder cannot be listed ({error.strerror}). Check its permissions.") from error
    yield root, [path for path in entries if not path.is_dir()]
    above = {os.path.realpath(folder) for folder in (root, *root.absolute().parents)}
    for folder in (path for path in entries if path.is_dir()):
        if folder.is_symlink() and os.path.realpath(folder) in above:
            continue
        if (exclude is None or folder.resolve() != exclude) and not (skip and skip(folder)):
            yield from walk(folder, exclude, skip)
