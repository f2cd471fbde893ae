"""Check that a header states the right number of voxels, before memory is allocated for them."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError

MAX_VOXELS_VARIABLE = "MEDDINO_MAX_VOXELS"
MAX_VOXELS = 2**30
"""Largest number of voxels in a volume, unless the environment variable sets another: 4 GiB as float32.

A scan of 512 x 512 x 2000 voxels has half of that.
"""
MAX_DEFLATE_RATIO = 1100
"""A ratio beyond the limit of deflate, which is 1032 : 1."""
MAX_SCAN_RATIO = 150
"""Highest compression ratio of a scan. Real scans reach 20 : 1, empty space 200 to 1000 : 1."""

_SMALL_BYTES = 2**26  # smaller volumes may be empty
_PADDING_BYTES = 4096  # largest number of zeros that a writer may leave at the end
_CHUNK_BYTES = 2**20


def check_voxel_count(path: str | Path, n_voxels: int) -> None:
    """Refuse more voxels than the limit.

    Raises:
        InputError: there are more voxels, or the limit itself is not a number.
    """
    text = os.environ.get(MAX_VOXELS_VARIABLE, str(MAX_VOXELS))
    try:
        limit = int(text)
    except ValueError as error:
        raise InputError(
            f"the environment variable {MAX_VOXELS_VARIABLE} is {text!r}; expected a whole number"
        ) from error
    if n_voxels > limit:
        raise InputError(
            f"{path}: the header claims {n_voxels:,} voxels; at most {limit:,} are allowed, so that a damaged or "
            f"hostile file cannot fill the memory. If the number is right, set the environment variable "
            f"{MAX_VOXELS_VARIABLE} to a higher number, or crop or resample the volume."
        )


def check_claimed_size(
    path: str | Path, claimed_bytes: int, *, stored_bytes: int, compressed: bool, is_scan: bool = True
) -> None:
    """Refuse a header that claims more bytes of voxels than were stored.

    Args:
        path: path of the file, for messages.
        claimed_bytes: number of bytes of voxels that the header claims.
        stored_bytes: number of bytes that the file stores for voxels.
        compressed: whether the voxels are compressed by deflate.
        is_scan: whether this is a scan; label maps may be empty and then compress to almost nothing.

    Raises:
        InputError: the claim exceeds what is stored, the highest ratio of deflate, or the highest ratio of any scan.
    """
    possible = stored_bytes * MAX_DEFLATE_RATIO if compressed else stored_bytes
    if claimed_bytes > possible:
        raise InputError(
            f"{path}: the header claims {claimed_bytes:,} bytes of voxels but the file has {stored_bytes:,} bytes. "
            "The file is truncated or its header damaged: copy or export it again."
        )
    if compressed and is_scan and claimed_bytes > max(_SMALL_BYTES, stored_bytes * MAX_SCAN_RATIO):
        raise InputError(
            f"{path}: {stored_bytes:,} compressed bytes claim to hold {claimed_bytes:,} bytes of voxels; a scan "
            f"compresses to {MAX_SCAN_RATIO} : 1 at most, so nearly all of it is empty. Copy or export it again, or "
            f"crop it to the scanned part."
        )


def check_nothing_follows(path: str | Path, *, expected_bytes: int, stored_bytes: int, tail: bytes) -> None:
    """Refuse data after the last voxel: the header claims too few voxels, or voxels of another size.

    Args:
        path: path of the file, for messages.
        expected_bytes: number of bytes up to the end of the last voxel.
        stored_bytes: total number of bytes.
        tail: data after the last voxel, or their beginning.

    Raises:
        InputError: more than a few zeros follow.
    """
    excess = stored_bytes - expected_bytes
    if excess > _PADDING_BYTES or (excess > 0 and any(tail)):
        raise InputError(
            f"{path}: {excess:,} bytes follow the last voxel that the header describes, so the header's sizes or its "
            f"voxel type are wrong. Export the image again."
        )


def check_file_ends(path: Path, expected_bytes: int) -> None:
    """Apply `check_nothing_follows` to a file on disk."""
    stored = path.stat().st_size
    with path.open("rb") as file:
        file.seek(expected_bytes)
        check_nothing_follows(
            path, expected_bytes=expected_bytes, stored_bytes=stored, tail=file.read(_PADDING_BYTES + 1)
        )


def check_gzip_ends(path: Path, expected_bytes: int, *, start: int = 0) -> None:
    """Apply `check_nothing_follows` to the content of a gzip file, or of its part from byte ``start`` on.

    The file's last four bytes give the size of its content modulo 2**32. Only if they do not match, as in files with
    several members, is the file decompressed, and then only as far as needed.

    Raises:
        InputError: more data follow, or the data are damaged.
    """
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        if struct.unpack("<I", file.read(4))[0] == expected_bytes % 2**32:
            return
        file.seek(start)
        with gzip.GzipFile(fileobj=file) as content:
            _check_stream(path, iter(lambda: content.read(_CHUNK_BYTES), b""), expected_bytes)


def check_zlib_ends(path: Path, expected_bytes: int, *, start: int = 0) -> None:
    """Apply `check_nothing_follows` to zlib data that start at byte ``start`` of a file.

    Raises:
        InputError: more data follow, or the data are damaged.
    """

    def parts() -> Iterator[bytes]:
        unpacker = zlib.decompressobj(wbits=47)  # zlib's or gzip's header
        with path.open("rb") as file:
            file.seek(start)
            while not unpacker.eof and (packed := unpacker.unconsumed_tail or file.read(_CHUNK_BYTES)):
                yield unpacker.decompress(packed, _CHUNK_BYTES)

    _check_stream(path, parts(), expected_bytes)


def _check_stream(path: Path, parts: Iterator[bytes], expected_bytes: int) -> None:
    seen, tail = 0, b""
    try:
        for part in parts:
            seen += len(part)
            if seen > expected_bytes:
                tail += part[-(seen - expected_bytes) :]
            if len(tail) > _PADDING_BYTES:
                break
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the compressed data is truncated or damaged ({error}). Copy it again.") from error
    check_nothing_follows(path, expected_bytes=expected_bytes, stored_bytes=max(seen, expected_bytes), tail=tail)
    if seen < expected_bytes:
        raise InputError(
            f"{path}: the header describes {expected_bytes:,} bytes but the file holds {seen:,}. The file is truncated "
            "or its header damaged: copy or export it again."
        )
