"""Detect changes of a file or folder without reading it."""

from __future__ import annotations

import os
from pathlib import Path

from .text_headers import detached_files

# name, size and time in nanoseconds of each file
Stamp = tuple[tuple[str, int, int], ...]

# headers with voxels in another file, which usually has the same stem
_HEADERS = (".mhd", ".nhdr")
_VALUES = (".raw", ".zraw", ".raw.gz", ".gz")


def file_stamp(path: str | Path) -> Stamp:
    """Return a value that changes when a file, or any file in a folder, is written, added, removed or renamed.

    A folder's own time does not change when one of its files is written in place, so all its files are checked;
    subfolders are not, since the readers of tiles and DICOM series skip them. The files named in a MetaImage or NRRD
    header, and the folder next to a MIRAX slide (``.mrxs``), are included.

    Args:
        path: path of a file or folder.

    Returns:
        Plain data in a fixed order; empty if nothing exists or nothing is accessible.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _of_folder(path)
        status = path.stat()
        own = ((path.name, status.st_size, status.st_mtime_ns),)
        suffix = path.suffix.lower()
        if suffix in _HEADERS:
            return own + _of_values(path)
        return own + file_stamp(path.with_suffix("")) if suffix == ".mrxs" else own
    except OSError:
        return ()


def _of_folder(path: Path) -> Stamp:
    with os.scandir(path) as entries:
        files = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    return tuple(sorted((name, status.st_size, status.st_mtime_ns) for name, status in files))


def _of_values(header: Path) -> Stamp:
    """Return the stamps of files named in a header, and of files with the usual names."""
    paths = [*detached_files(header), *(header.with_suffix(end) for end in _VALUES)]
    return tuple(entry for path in dict.fromkeys(map(Path.resolve, paths)) for entry in file_stamp(path))
