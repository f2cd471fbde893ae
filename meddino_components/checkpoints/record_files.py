"""Write the record into a weight file, and read it without unpickling anything or building a network.

``.safetensors`` files keep it in the header's metadata, ``.onnx`` files in the model's. ``.pt`` and ``.pt2`` files are
zip archives in which it is an extra member that torch ignores, so a ``.pt`` still loads as a bare state dict.
"""

from __future__ import annotations

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

from safetensors import SafetensorError, safe_open

from meddino_components.errors import InputError
from meddino_components.project import extra

from .record import WeightsRecord

# key of the record in the metadata of safetensors and ONNX
RECORD_KEY = "meddino"
# where torch.export stores an extra file, below the archive's own folder
RECORD_MEMBER = "extra/meddino.json"
RECORD_EXTRA_FILE = "meddino.json"
# enough for a record with the hashes of a hundred thousand cases
_LARGEST_BYTES = 4 * 2**20
# a fixed time, so that the same content gives the same bytes
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_record(path: str | os.PathLike[str]) -> WeightsRecord | None:
    """Read the record of a weight file; None if it has none, like files from other projects.

    Args:
        path: path of a ``.safetensors``, ``.pt``, ``.pth``, ``.pt2`` or ``.onnx`` file.

    Raises:
        InputError: the file does not exist, or its record is damaged or from a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a weight file")
    try:
        text = _text_of(path)
    except (OSError, SafetensorError, zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: its record cannot be read ({reason}); copy or download the file again") from error
    return None if text is None else WeightsRecord.from_json(text, source=str(path))


def append_record(path: Path, record: WeightsRecord) -> None:
    """Add the record to a file written by `torch.save`, as an extra member of its archive."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        archive.writestr(zipfile.ZipInfo(f"{folder}/{RECORD_MEMBER}", _EPOCH), record.to_json())


def _text_of(path: Path) -> str | None:
    if path.suffix == ".onnx":
        return _text_of_onnx(path)
    with path.open("rb") as stream:
        head = stream.read(9)
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get(RECORD_KEY)
    # the older format of torch.save is not a zip archive and has no record
    return _text_of_zip(path) if head.startswith(b"PK") else None


def _text_of_zip(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        found = [item for item in archive.infolist() if item.filename.endswith(f"/{RECORD_MEMBER}")]
        if not found:
            return None
        if len(found) > 1:
            raise InputError(f"{path}: holds {len(found)} records, expected one; use the original file")
        _check_size(path, found[0].file_size)
        with archive.open(found[0]) as stream:
            return stream.read(_LARGEST_BYTES).decode("utf-8")


def _text_of_onnx(path: Path) -> str | None:
    if find_spec("onnx") is None:
        raise InputError(f"{path}: reading its record needs onnx: {extra('export')}")
    import onnx

    try:
        model = onnx.load_model(path, load_external_data=False)
    except Exception as error:  # protobuf's own errors, which onnx does not export
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: is not an ONNX model, or is damaged ({reason}); export the network again") from error
    text = {entry.key: entry.value for entry in model.metadata_props}.get(RECORD_KEY)
    if text is not None:
        _check_size(path, len(text))
    return text


def _check_size(path: Path, n_bytes: int) -> None:
    if n_bytes > _LARGEST_BYTES:
        raise InputError(
            f"{path}: its record takes {n_bytes / 2**20:.1f} MiB, expected at most {_LARGEST_BYTES >> 20}; use the "
            f"original file"
        )
