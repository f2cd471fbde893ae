"""Whether a header is honest about how many voxels follow it, found before memory is taken for them."""

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
"""Voxels of one volume that are read unless the environment variable states another number: 4 GiB as float32.

A scan of 512 x 512 x 2000 has half of that.
"""
MAX_DEFLATE_RATIO = 1100
"""More than deflate can reach, which is 1032 : 1."""
MAX_SCAN_RATIO = 150
"""To what a scan is compressed at most. Real ones reach 20 : 1, empty space 200 to 1000 : 1."""

_SMALL_BYTES = 2**26  # what is smaller may be as empty as it likes
_PADDING_BYTES = 4096  # zeros that a writer may leave at the end
_CHUNK_BYTES = 2**20


def check_voxel_count(path: str | Path, n_voxels: int) -> None:
    """Refuse more voxels than the limit.

    Raises:
        InputError: there are more, or the limit itself is no number.
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
            f"{path}: the header claims {n_voxels:,} voxels; at most {limit:,} are read, so that a damaged or hostile "
            f"file cannot take all memory. If it is right, set the environment variable {MAX_VOXELS_VARIABLE} higher, "
            "or crop or resample the volume."
        )


def check_claimed_size(
    path: str | Path, claimed_bytes: int, *, stored_bytes: int, compressed: bool, is_scan: bool = True
) -> None:
    """Refuse a header that claims more bytes of voxels than were stored.

    Args:
        path: for messages.
        claimed_bytes: of voxels, as the header says.
        stored_bytes: where the voxels are.
        compressed: by deflate.
        is_scan: not a label map, which may be empty and so compress to next to nothing.

    Raises:
        InputError: more than is stored, than the highest ratio that deflate reaches, or than any scan compresses to.
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
            f"compresses {MAX_SCAN_RATIO} : 1 at most, so nearly all of it is empty. Copy or export it again, or crop "
            "it to what was scanned."
        )


def check_nothing_follows(path: str | Path, *, expected_bytes: int, stored_bytes: int, tail: bytes) -> None:
    """Refuse data that go on behind the last voxel: the header claims too few voxels, or voxels of another size.

    Args:
        path: for messages.
        expected_bytes: up to the end of the last voxel.
        stored_bytes: of all.
        tail: what follows the last voxel, or the beginning of that.

    Raises:
        InputError: more than a few zeros follow.
    """
    excess = stored_bytes - expected_bytes
    if excess > _PADDING_BYTES or (excess > 0 and any(tail)):
        raise InputError(
            f"{path}: data go on for {excess:,} bytes behind the last voxel that the header describes, so the header's "
            "sizes or its type of voxels are wrong. Export the image again."
        )


def check_file_ends(path: Path, expected_bytes: int) -> None:
    """`check_nothing_follows` for a file as it is on disk."""
    stored = path.stat().st_size
    with path.open("rb") as file:
        file.seek(expected_bytes)
        check_nothing_follows(
            path, expected_bytes=expected_bytes, stored_bytes=stored, tail=file.read(_PADDING_BYTES + 1)
        )


def check_gzip_ends(path: Path, expected_bytes: int, *, start: int = 0) -> None:
    """`check_nothing_follows` for the content of a gzip file, or of its part from byte ``start`` on.

    The file's last four bytes say how much it holds, modulo 2**32; only where they do not agree, as in files of several
    members, is it decompressed, and then no further than needed.

    Raises:
        InputError: more follows, or the data is damaged.
    """
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        if struct.unpack("<I", file.read(4))[0] == expected_bytes % 2**32:
            return
        file.seek(start)
        with gzip.GzipFile(fileobj=file) as content:
            _check_stream(path, iter(lambda: content.read(_CHUNK_BYTES), b""), expected_bytes)


def check_zlib_ends(path: Path, expected_bytes: int, *, start: int = 0) -> None:
    """`check_nothing_follows` for zlib data that begin at byte ``start`` of a file.

    Raises:
        InputError: more follows, or the data is damaged.
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
