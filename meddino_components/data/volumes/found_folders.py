"""Walking through folders of scans: links are followed without going in circles, left-overs are passed over.

Hidden files, macOS's ``._name`` beside each file of another file system, and ``__MACOSX`` of its archives are no data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ...errors import InputError

_ARCHIVE_LEFTOVERS = "__MACOSX"


def is_left_over(path: Path) -> bool:
    """Whether a file or folder is hidden or one of macOS's left-overs, by its name and that of its folder."""
    return path.name.startswith(".") or path.name == _ARCHIVE_LEFTOVERS or path.parent.name == _ARCHIVE_LEFTOVERS


def has_data(folder: Path) -> bool:
    """Whether a folder is there and holds anything but left-overs."""
    return folder.is_dir() and not all(map(is_left_over, folder.iterdir()))


def walk(
    root: Path, exclude: Path | None = None, skip: Callable[[Path], bool] | None = None
) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder from ``root`` on, sorted, with its files; left-overs are passed over.

    A link to a folder is followed unless it leads to one of the folders above it, which would not end.

    Args:
        root: where to begin.
        exclude: resolved path of a folder that is passed over.
        skip: says of a folder below ``root`` whether it is passed over.

    Raises:
        InputError: a folder cannot be listed.
    """
    try:
        entries = sorted(path for path in root.iterdir() if not is_left_over(path))
    except OSError as error:
        raise InputError(
            f"{root}: the folder cannot be listed ({error.strerror}). Give yourself access to it."
        ) from error
    yield root, [path for path in entries if not path.is_dir()]
    above = {os.path.realpath(folder) for folder in (root, *root.absolute().parents)}
    for folder in (path for path in entries if path.is_dir()):
        if folder.is_symlink() and os.path.realpath(folder) in above:
            continue
        if (exclude is None or folder.resolve() != exclude) and not (skip and skip(folder)):
            yield from walk(folder, exclude, skip)
