"""Read arrays inside an .npz file one picture at a time, since such a file can be larger than the memory.

An .npz file is a zip archive of .npy files. An uncompressed array is memory-mapped in place; a compressed one is
unpacked once into a temporary file, which is mapped instead.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...wording import first_few
from ..volumes.file_checks import check_is_image_file
from ..volumes.size_limits import check_claimed_size
from ..volumes.stamps import Stamp, file_stamp

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip member: signature, ..., lengths of name and extra field
_OPEN_ARRAYS = 6  # images of three splits of two files


@dataclass(frozen=True, kw_only=True)
class ArrayHeader:
    """Header of an array.

    Attributes:
        shape: shape of the array.
        dtype: type of its values.
        fortran_order: whether the first axis varies fastest.
        offset: number of bytes of the header.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    offset: int


def array_headers(path: str | Path) -> dict[str, ArrayHeader]:
    """Return the headers of the arrays in an .npz file by name, without reading their values.

    Raises:
        InputError: not an .npz file, an array of Python objects (they are pickles, which may run code), or a header
            that claims more than the file holds.
    """
    path = Path(path)
    with _opened(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        return {info.filename.removesuffix(".npy"): _read_header(archive, info, path) for info in members}


def packed_array(path: str | Path, name: str) -> npt.NDArray[Any]:
    """Return a memory-mapped array of an .npz file: values are read when they are used.

    The array is kept for the next call of this process. A compressed one is unpacked into a file in the folder for
    temporary files (``TMPDIR``), which disappears with the process; processes forked later share it.

    Raises:
        InputError: see `array_headers`; no array of that name; damaged data; no room to unpack.
    """
    return _mapped(str(path), name, file_stamp(path))


@lru_cache(maxsize=_OPEN_ARRAYS)
def _mapped(path: str, name: str, version: Stamp) -> npt.NDArray[Any]:
    file = Path(path)
    with _opened(file) as archive:
        try:
            info = archive.getinfo(f"{name}.npy")
        except KeyError:
            found = first_few([n.removesuffix(".npy") for n in archive.namelist()])
            raise InputError(f"{path}: no array '{name}'. The file holds {found or 'nothing'}.") from None
        header = _read_header(archive, info, file)
        if info.compress_type == zipfile.ZIP_STORED:
            return _map(file, header, _data_start(file, info) + header.offset)
        with tempfile.TemporaryFile(prefix="meddino-") as unpacked:
            try:
                with archive.open(info) as member:
                    shutil.copyfileobj(member, unpacked, 2**20)
                unpacked.flush()
            except OSError as error:
                raise InputError(
                    f"{path}: '{name}' could not be unpacked into {tempfile.gettempdir()} ({error}). Make room for "
                    f"{info.file_size:,} bytes or set TMPDIR to another folder."
                ) from error
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise _damaged(file, error) from error
            return _map(unpacked, header, header.offset)


def _map(file: Any, header: ArrayHeader, offset: int) -> npt.NDArray[Any]:
    if 0 in header.shape:  # nothing can be mapped
        return np.empty(header.shape, header.dtype)
    order: Literal["F", "C"] = "F" if header.fortran_order else "C"
    return np.memmap(file, dtype=header.dtype, mode="r", offset=offset, shape=header.shape, order=order)


def _opened(path: Path) -> zipfile.ZipFile:
    check_is_image_file(path)
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(path, error) from error


def _read_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> ArrayHeader:
    name = info.filename.removesuffix(".npy")
    try:
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = read(member)
            offset = member.tell()
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if dtype.hasobject:
        raise InputError(
            f"{path}: '{name}' is an array of Python objects, which are not read: they may run code. Save it as an "
            "array of numbers."
        )
    claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    stored = info.compress_type == zipfile.ZIP_STORED
    check_claimed_size(path, claimed, compressed=not stored, stored_bytes=info.compress_size, is_scan=False)
    if info.file_size != claimed + offset:
        raise InputError(
            f"{path}: '{name}' has {info.file_size - offset:,} bytes; expected {claimed:,} for its shape {shape}. "
            "Download the file again."
        )
    return ArrayHeader(shape=shape, dtype=dtype, fortran_order=fortran_order, offset=offset)


def _data_start(path: Path, info: zipfile.ZipInfo) -> int:
    """Return where a member's bytes begin: after its own header, whose length the archive's directory omits."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        head = file.read(_LOCAL_HEADER.size)
    if len(head) < _LOCAL_HEADER.size or not head.startswith(b"PK\3\4"):
        raise _damaged(path, "no header where the archive says")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(head)
    start = int(info.header_offset + _LOCAL_HEADER.size + name_length + extra_length)
    if start + info.file_size > path.stat().st_size:
        raise _damaged(path, "it ends too early")
    return start


def _damaged(path: Path, reason: object) -> InputError:
    return InputError(f"{path}: not an .npz file, truncated or damaged ({reason}). Download the file again.")
