"""Read slices of many volumes from one store, in random order and by many processes.

A store is a folder, on local disk or behind any fsspec URL:

- ``store.json`` names the two index files; it is written last, so a folder without it is not finished.
- ``volumes-*.jsonl``: one line per volume (`VolumeRecord`).
- ``slices-*.npy``: one row per slice (`SLICE_DTYPE`), memory-mapped.
- ``volumes/*.b2nd``: one Blosc2 array [D, H, W] int16 per volume, one chunk per slice, named by its content.

The volume files are ordinary Blosc2 arrays: ``blosc2.open(path)[k]`` works. `SliceStore` knows the position of each
chunk and reads only that range of bytes, which avoids opening a file's frame for every slice and works on object
stores.

Shapes: H rows (to posterior), W columns (to the left), as in every canonical volume; D stored slices of a volume,
upwards.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...project import extra
from .files import StoreFiles

STORE_FILE = "store.json"
STORE_FORMAT = "meddino slice store"
STORE_VERSION = 1
SLICE_DTYPE = np.dtype([("volume", "<i4"), ("slice", "<i4"), ("offset", "<i8"), ("nbytes", "<i4")])


@dataclass(frozen=True, kw_only=True)
class VolumeRecord:
    """The facts about a volume in the store. Intensity = stored value * ``scale`` + ``offset`` (1 and 0 for CT, in HU).

    Attributes:
        source_set: name of the data set that it comes from.
        case_id: id of the case in that data set.
        file: original path, relative to the source.
        modality: "ct" or "mr".
        shape: numbers of stored slices, rows and columns.
        source_slices: number of slices before slices of air were dropped.
        spacing_mm: spacing in mm between rows, columns and source slices.
        scale: intensity units per stored step.
        offset: intensity of a stored 0.
        sha256: SHA-256 of shape and stored voxels, after which the file is named.
    """

    source_set: str
    case_id: str
    file: str
    modality: str
    shape: tuple[int, int, int]
    source_slices: int
    spacing_mm: tuple[float, float, float]
    scale: float
    offset: float
    sha256: str

    @property
    def data_file(self) -> str:
        """Path of the voxels inside the store."""
        return f"volumes/{self.sha256[:2]}/{self.sha256[:32]}.b2nd"

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> VolumeRecord:
        values = {field.name: content[field.name] for field in fields(cls)}
        return cls(**values | {key: tuple(values[key]) for key in ("shape", "spacing_mm")})


class SliceSource(NamedTuple):
    """Origin of a slice; ``slice_number`` counts the slices of the canonical volume upwards from 0."""

    source_set: str
    case_id: str
    slice_number: int


def require_blosc2() -> ModuleType:
    """Return blosc2, set to one thread in this process: slices are too small to share, and a loader has many workers.

    Raises:
        InputError: blosc2 is not installed.
    """
    try:
        import blosc2
    except ImportError as error:
        raise InputError(f"the slice store needs blosc2: {extra('pretrain')}") from error
    if blosc2.nthreads != 1:
        blosc2.set_nthreads(1)
    return blosc2  # type: ignore[no-any-return, unused-ignore]


class SliceStore:
    """Read slices of a store by number.

    Opening reads no voxels. The process that reads opens the files, so a store can be passed to the workers of a
    DataLoader, forked or spawned, and used by several threads.

    Args:
        url: folder of the store, or an fsspec URL of it such as ``s3://bucket/store``.
        max_open_files: number of local volume files that a process keeps open.

    Raises:
        InputError: the store does not exist, was not finished or has another version; or blosc2 is not installed.

    Example:
        >>> store = SliceStore("ct_store")  # doctest: +SKIP
        >>> hu = store.read(17)  # [H, W] int16  # doctest: +SKIP
    """

    def __init__(self, url: str | Path, *, max_open_files: int = 64) -> None:
        if max_open_files < 1:
            raise ValueError(f"max_open_files must be at least 1, got {max_open_files}")
        self.url, self.max_open_files = str(url), max_open_files
        self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "max_open_files": self.max_open_files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.url, self.max_open_files = state["url"], state["max_open_files"]
        self._open()

    def _open(self) -> None:
        self._decode = partial(decode_slice, blosc2=require_blosc2())
        self._files, self._pid = StoreFiles(self.url, self.max_open_files), os.getpid()
        header = _read_header(self._files)
        self._lines = self._files.whole(header["volumes"]).splitlines()
        self._slices = self._files.array(header["slices"])
        if self._slices.dtype != SLICE_DTYPE or len(self._slices) != header["n_slices"]:
            raise InputError(f"{self.url}/{header['slices']}: is not the index named in {STORE_FILE}. Copy it again.")
        if len(self._lines) != header["n_volumes"]:
            raise InputError(f"{self.url}/{header['volumes']}: is not the table named in {STORE_FILE}. Copy it again.")
        # lines are parsed on demand, so that a table of many volumes stays small
        self.volume = lru_cache(maxsize=1024)(partial(_parse_record, self._lines))

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self._slices)

    @property
    def n_volumes(self) -> int:
        return len(self._lines)

    @property
    def fingerprint(self) -> str:
        """Return the number of slices and a hash of their volumes, independent of the store's location."""
        content = hashlib.sha256(b"\n".join(sorted(self._lines)))
        content.update(np.ascontiguousarray(self._slices["volume"]).tobytes())
        content.update(np.ascontiguousarray(self._slices["slice"]).tobytes())
        return f"{len(self)} of {self.n_volumes} volumes, SHA-256 {content.hexdigest()[:16]}"

    @property
    def slices(self) -> NDArray[Any]:
        """Return rows of `SLICE_DTYPE`, read-only; rows of a volume are adjacent, upwards."""
        return self._slices

    def read(self, index: int) -> NDArray[np.int16]:
        """Return slice ``index`` as stored, [H, W]; HU for CT.

        Raises:
            IndexError: the slice does not exist.
            InputError: the slice's bytes are missing or damaged.
        """
        volume, _, offset, nbytes = self._slices[index].item()
        record = self.volume(volume)
        if self._pid != os.getpid():  # after a fork: the parent may hold its lock, and its descriptors are not ours
            self._files, self._pid = StoreFiles(self.url, self.max_open_files), os.getpid()
        pixels = self._files.read(record.data_file, offset, nbytes, partial(self._decode, plane=record.shape[1:]))
        if pixels is None:
            raise InputError(
                f"{self.url}/{record.data_file}: slice {index} of the store is missing, truncated or damaged. "
                "Copy the file again, or delete it and run the curation again."
            )
        return pixels

    def spacing_mm(self, index: int) -> tuple[float, float, float]:
        """Return the distance in mm between rows, between columns and between slices of the volume."""
        return self.volume(int(self._slices[index]["volume"])).spacing_mm

    def source(self, index: int) -> SliceSource:
        """Return data set, case and slice number of slice ``index``."""
        volume, number, _, _ = self._slices[index].item()
        record = self.volume(volume)
        return SliceSource(record.source_set, record.case_id, number)


def _parse_record(lines: Sequence[bytes], number: int) -> VolumeRecord:
    return VolumeRecord.from_dict(json.loads(lines[number]))


def decode_slice(chunk: bytes | memoryview, *, blosc2: ModuleType, plane: tuple[int, int]) -> NDArray[np.int16] | None:
    """Decode the pixels [H, W] of one Blosc2 chunk; None if it is not a chunk of such a slice.

    Blosc2 pads a chunk to whole blocks; blocks are whole rows here, so the padding is rows at the end.
    """
    height, width = plane
    # bytes 4 to 8 and 12 to 16 of a chunk hold its size without and with compression
    size, compressed = int.from_bytes(chunk[4:8], "little"), int.from_bytes(chunk[12:16], "little")
    rows, rest = divmod(size, 2 * width)
    if compressed != len(chunk) or rest or not height <= rows < 2 * height:
        return None
    pixels: NDArray[np.int16] = np.empty((rows, width), np.int16)
    try:
        # faster than decompress2, which creates a context for every call
        blosc2.decompress(chunk, dst=pixels)
    except (RuntimeError, ValueError):
        return None
    return pixels[:height]


def _read_header(files: StoreFiles) -> dict[str, Any]:
    try:
        header = json.loads(files.whole(STORE_FILE))
    except FileNotFoundError as error:
        raise InputError(
            f"{files.url}: contains no {STORE_FILE}, so it is not a slice store, or its curation was not finished. "
            f"Check the path, or run the same curation again to continue where it stopped."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{files.url}/{STORE_FILE}: cannot be read as JSON ({error}). Copy the store again."
        ) from error
    if not isinstance(header, dict) or (header.get("format"), header.get("version")) != (STORE_FORMAT, STORE_VERSION):
        raise InputError(
            f"{files.url}/{STORE_FILE}: not a '{STORE_FORMAT}' of version {STORE_VERSION}. Curate the data again with "
            "this version."
        )
    return header
