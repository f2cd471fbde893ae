"""Write the files that `SliceStore` reads: volumes as Blosc2 arrays, and the two index files.

In our measurements, LZ4HC with the byte shuffle in blocks of 32 KB was the only lossless choice faster to read than raw
.npy values of an LMDB (`benchmarks/slice_store.py`): Zstandard is a tenth smaller and three times slower.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...files import AtomicFiles, ResultFiles, is_unchanged, write_text
from .store import SLICE_DTYPE, STORE_FILE, STORE_FORMAT, STORE_VERSION, VolumeRecord, decode_slice, require_blosc2

_LEVEL = 5
_BLOCK_BYTES = 32 * 1024
_CHUNK_HEADER_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class StoredVolume:
    """A volume whose voxels are in a store's folder, with its entries for the index.

    Attributes:
        record: record of the volume.
        slices: position of each stored slice among the source's slices, [D].
        offsets: position of each slice's chunk in the volume's file, [D].
        nbytes: length of each slice's chunk, [D].
    """

    record: VolumeRecord
    slices: NDArray[np.int32]
    offsets: NDArray[np.int64]
    nbytes: NDArray[np.int32]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        columns = {name: getattr(self, name).tolist() for name in ("slices", "offsets", "nbytes")}
        return {"record": asdict(self.record), **columns}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> StoredVolume:
        return cls(
            record=VolumeRecord.from_dict(content["record"]),
            slices=np.array(content["slices"], np.int32),
            offsets=np.array(content["offsets"], np.int64),
            nbytes=np.array(content["nbytes"], np.int32),
        )


def content_sha256(slices: NDArray[np.int16]) -> str:
    """Return the SHA-256 of shape and voxels of [D, H, W] int16, which is the same for equal scans in other files."""
    digest = hashlib.sha256(np.array(slices.shape, "<i8").tobytes())
    for pixels in slices:
        digest.update(np.ascontiguousarray(pixels, "<i2").data)
    return digest.hexdigest()


def encode_volume(slices: NDArray[np.int16]) -> tuple[bytes, NDArray[np.int64], NDArray[np.int32]]:
    """Encode a volume [D, H, W] as the bytes of a .b2nd file; also return offset and length of each slice's chunk.

    Every slice is decoded again and compared with the original.

    Raises:
        ValueError: a slice is constant, and Blosc2 stores it without a chunk.
    """
    blosc2 = require_blosc2()
    n, height, width = slices.shape
    rows = max(1, min(height, _BLOCK_BYTES // (2 * width)))
    filters = [blosc2.Filter.NOFILTER] * 5 + [blosc2.Filter.SHUFFLE]
    cparams = blosc2.CParams(
        codec=blosc2.Codec.LZ4HC,
        clevel=_LEVEL,
        filters=filters,
        filters_meta=[0] * len(filters),
        typesize=2,
        nthreads=1,
        splitmode=blosc2.SplitMode.ALWAYS_SPLIT,
    )
    array = blosc2.asarray(slices, chunks=(1, height, width), blocks=(1, rows, width), cparams=cparams)
    frame = memoryview(array.to_cframe())
    chunks = [array.schunk.get_chunk(k) for k in range(n)]
    nbytes = np.array([len(chunk) for chunk in chunks], np.int32)
    # a frame is a header, which contains its own length, and the chunks in order
    first = int.from_bytes(frame[11:15], "big")
    offsets = first + np.concatenate([[0], np.cumsum(nbytes, dtype=np.int64)[:-1]])
    for k in range(n):
        stored = frame[offsets[k] : offsets[k] + int(nbytes[k])]
        pixels = (
            decode_slice(stored, blosc2=blosc2, plane=(height, width)) if len(stored) > _CHUNK_HEADER_BYTES else None
        )
        if pixels is None or not np.array_equal(pixels, slices[k]):
            raise ValueError(f"slice {k} does not read back as written; constant slices cannot be stored")
    return bytes(frame), offsets, nbytes


def store_volume(
    root: Path,
    slices: NDArray[np.int16],
    *,
    numbers: NDArray[np.int32],
    source_set: str,
    case_id: str,
    file: str,
    modality: str,
    source_slices: int,
    spacing_mm: tuple[float, float, float],
    scale: float = 1.0,
    offset: float = 0.0,
) -> StoredVolume:
    """Encode a volume and store its file; it becomes part of the store once `write_index` lists it.

    Args:
        root: folder of the store.
        slices: slices [D, H, W].
        numbers: position of each slice among the source's slices, [D].
        source_set: name of the data set; for this and the other arguments see `VolumeRecord`.

    Raises:
        OSError: the disk is full or cannot be written.
        ValueError: a slice is constant.
    """
    content, offsets, nbytes = encode_volume(slices)
    n, height, width = slices.shape
    record = VolumeRecord(
        source_set=source_set,
        case_id=case_id,
        file=file,
        modality=modality,
        shape=(n, height, width),
        source_slices=source_slices,
        spacing_mm=spacing_mm,
        scale=scale,
        offset=offset,
        sha256=content_sha256(slices),
    )
    write_volume(root, record.data_file, content)
    return StoredVolume(record=record, slices=numbers, offsets=offsets, nbytes=nbytes)


def write_volume(root: Path, data_file: str, content: bytes) -> None:
    """Store a volume's file, completely or not at all; several processes may write the same file.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    path = root / data_file
    path.parent.mkdir(parents=True, exist_ok=True)
    with AtomicFiles() as files:
        files.path(path).write_bytes(content)


def write_index(root: Path, volumes: Sequence[StoredVolume]) -> None:
    """Turn the volumes in ``root`` into a store, numbered in this order.

    Index files are named by their content, and ``store.json`` names them: replacing this one file switches to the new
    store, even while others read it.

    Raises:
        InputError: a file of the user has one of these names.
    """
    table = "".join(f"{volume.record.to_json()}\n" for volume in volumes).encode("utf-8", "backslashreplace")
    rows = index_rows(volumes)
    names = {
        "volumes": f"volumes-{hashlib.sha256(table).hexdigest()[:16]}.jsonl",
        "slices": f"slices-{hashlib.sha256(rows.view(np.uint8).data).hexdigest()[:16]}.npy",
    }
    header = {
        "format": STORE_FORMAT,
        "version": STORE_VERSION,
        "n_slices": len(rows),
        "n_volumes": len(volumes),
        **names,
    }
    root.mkdir(parents=True, exist_ok=True)
    with ResultFiles() as files:
        files.path(root / names["volumes"]).write_bytes(table)
        np.save(files.path(root / names["slices"]), rows)
        write_text(files.path(root / STORE_FILE), json.dumps(header, indent=2) + "\n")
    _remove_others(root, set(names.values()), {volume.record.data_file for volume in volumes})


def index_rows(volumes: Sequence[StoredVolume]) -> NDArray[Any]:
    """Return one row of `SLICE_DTYPE` for each slice, volume by volume."""
    rows = np.empty(sum(len(volume.slices) for volume in volumes), SLICE_DTYPE)
    end = 0
    for number, volume in enumerate(volumes):
        start, end = end, end + len(volume.slices)
        part = rows[start:end]
        part["volume"], part["slice"] = number, volume.slices
        part["offset"], part["nbytes"] = volume.offsets, volume.nbytes
    return rows


def _remove_others(root: Path, index_files: set[str], data_files: set[str]) -> None:
    """Remove files that the store no longer lists, such as the voxels of a case excluded since."""
    for path in [*root.glob("volumes-*.jsonl"), *root.glob("slices-*.npy")]:
        if path.name not in index_files and is_unchanged(path):
            path.unlink()
    for path in root.glob("volumes/??/*.b2nd"):
        if path.relative_to(root).as_posix() not in data_files:
            path.unlink()
