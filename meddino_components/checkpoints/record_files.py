"""The record inside a weight file: put there, and read without unpickling anything or building a network.

``.safetensors`` keeps it in the header's metadata, ``.onnx`` in the model's. ``.pt`` and ``.pt2`` are zip archives, and
it is a member of theirs that torch passes over, so that a ``.pt`` stays a bare state dict to everybody else.
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

# under this key the record stands in the metadata of safetensors and ONNX
RECORD_KEY = "meddino"
# torch.export puts extra files of this name there, below the archive's own folder
RECORD_MEMBER = "extra/meddino.json"
RECORD_EXTRA_FILE = "meddino.json"
# of a record with the hashes of a hundred thousand cases
_LARGEST_BYTES = 4 * 2**20
# the same content gives the same bytes
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_record(path: str | os.PathLike[str]) -> WeightsRecord | None:
    """The record of a weight file; None where it has none, as files of others.

    Args:
        path: a ``.safetensors``, ``.pt``, ``.pth``, ``.pt2`` or ``.onnx`` file.

    Raises:
        InputError: no such file, or a record that is damaged or of a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of weights")
    try:
        text = _text_of(path)
    except (OSError, SafetensorError, zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: its record cannot be read ({reason}); copy or download the file again") from error
    return None if text is None else WeightsRecord.from_json(text, source=str(path))


def append_record(path: Path, record: WeightsRecord) -> None:
    """Add the record to a file that `torch.save` wrote, as a further member of its archive."""
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
    # the older format of torch.save is no zip, and has no record
    return _text_of_zip(path) if head.startswith(b"PK") else None


def _text_of_zip(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        found = [item for item in archive.infolist() if item.filename.endswith(f"/{RECORD_MEMBER}")]
        if not found:
            return None
        if len(found) > 1:
            raise InputError(f"{path}: holds {len(found)} records, expected one; take the file as it was written")
        _check_size(path, found[0].file_size)
        with archive.open(found[0]) as stream:
            return stream.read(_LARGEST_BYTES).decode("utf-8")


def _text_of_onnx(path: Path) -> str | None:
    if find_spec("onnx") is None:
        raise InputError(f"{path}: reading its record needs onnx: {extra('export')}")
    import onnx

    try:
        model = onnx.load_model(path, load_external_data=False)
    except Exception as error:  # of protobuf, of no kind that onnx hands on
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: is no ONNX model, or a damaged one ({reason}); export the network again") from error
    text = {entry.key: entry.value for entry in model.metadata_props}.get(RECORD_KEY)
    if text is not None:
        _check_size(path, len(text))
    return text


def _check_size(path: Path, n_bytes: int) -> None:
    if n_bytes > _LARGEST_BYTES:
        raise InputError(
            f"{path}: its record takes {n_bytes / 2**20:.1f} MiB, expected at most {_LARGEST_BYTES >> 20}; "
            "take the file as it was written"
        )
