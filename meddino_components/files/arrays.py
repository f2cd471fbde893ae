"""Read arrays in .npy files through memory maps.

A map keeps a file descriptor open as long as it or a view of it exists; processes usually may have 1024 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

_MOST_OPEN_MAPS = 256


@dataclass(frozen=True, kw_only=True)
class ArrayFile:
    """A .npy file and the contents of its header.

    Attributes:
        path: path of the file.
        version: inode and time, so that the map of a replaced file is not mistaken for that of the new one.
        shape: shape of the array; no axis is 0.
        dtype: type of its values.
        offset: number of bytes before the first value.
    """

    path: str
    version: tuple[int, int]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def of(cls, path: Path) -> ArrayFile:
        """Read the header of a file that `numpy.save` wrote from an array in C order.

        Raises:
            OSError: the file is missing.
            ValueError: the file is not of this kind, or is truncated.
        """
        try:
            array = np.load(path, mmap_mode="r")
        except EOFError as error:
            raise ValueError(f"{path}: is empty") from error
        status = path.stat()
        return cls(
            path=str(path),
            version=(status.st_ino, status.st_mtime_ns),
            shape=array.shape,
            dtype=array.dtype,
            offset=array.offset,
        )

    def mapped(self) -> NDArray[Any]:
        """Return a read-only view of the file; the same one as long as it is in use.

        Raises:
            OSError: the file is gone.
        """
        return _mapped(self)


def _open_maps() -> int:
    """Return how many maps to keep for later calls: a quarter of the files that the process may open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return _MOST_OPEN_MAPS
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_OPEN_MAPS if allowed == resource.RLIM_INFINITY else min(_MOST_OPEN_MAPS, allowed // 4)


# one map per file, however many views of it exist
_in_use: WeakValueDictionary[ArrayFile, np.memmap[Any, Any]] = WeakValueDictionary()


@lru_cache(maxsize=_open_maps())
def _mapped(file: ArrayFile) -> NDArray[Any]:
    found = _in_use.get(file)
    if found is None:
        found = np.memmap(file.path, dtype=file.dtype, mode="r", offset=file.offset, shape=file.shape)
        _in_use[file] = found
    return found
