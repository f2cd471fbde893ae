"""Arrays in .npy files that are mapped where they are asked for.

A map holds a file descriptor for as long as it, or a view of it, lives, and processes commonly have 1024 of these.
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
    """A .npy file and what its header says.

    Attributes:
        path: of the file.
        version: inode and time, so that the map of a file that was replaced is not taken for its successor's.
        shape: sizes of the array, none of them 0.
        dtype: of its values.
        offset: bytes before the first value.
    """

    path: str
    version: tuple[int, int]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def of(cls, path: Path) -> ArrayFile:
        """Read the header of a file that `numpy.save` wrote, of an array in C order.

        Raises:
            OSError: the file is missing.
            ValueError: it is no such file, or is truncated.
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
        """A view of the file, which cannot be written to; the same one for as long as it is in use.

        Raises:
            OSError: the file is gone.
        """
        return _mapped(self)


def _open_maps() -> int:
    """Maps that are kept for the next call: a quarter of the files that the process may open, the rest is others'."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return _MOST_OPEN_MAPS
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_OPEN_MAPS if allowed == resource.RLIM_INFINITY else min(_MOST_OPEN_MAPS, allowed // 4)


# one map a file, however many views of it are held
_in_use: WeakValueDictionary[ArrayFile, np.memmap[Any, Any]] = WeakValueDictionary()


@lru_cache(maxsize=_open_maps())
def _mapped(file: ArrayFile) -> NDArray[Any]:
    found = _in_use.get(file)
    if found is None:
        found = np.memmap(file.path, dtype=file.dtype, mode="r", offset=file.offset, shape=file.shape)
        _in_use[file] = found
    return found
