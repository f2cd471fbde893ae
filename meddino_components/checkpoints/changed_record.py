"""Write a copy of a weight file whose record is another one."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from ..errors import InputError
from ..files import write_atomically
from .reader import read_payload
from .record import WeightsRecord
from .record_files import RECORD_KEY
from .writer import save_plain

_TORCH = (".pt", ".pth")
_SAFETENSORS = ".safetensors"


def write_with_record(source: Path, target: Path, record: WeightsRecord) -> str:
    """Write the content of a weight file with this record to a new file, with ``<target>.sha256`` next to it.

    Args:
        source: weight file, ``.pt``, ``.pth`` or ``.safetensors``.
        target: path of the new file, of the same kind.
        record: record of the new file.

    Returns:
        The SHA-256 of the new file.

    Raises:
        InputError: there is a file at the target, the files are of different or other kinds, the source is damaged, or
            the target cannot be written.
    """
    check_target(source, target)
    content = read_payload(source)
    if source.suffix == _SAFETENSORS:
        with safe_open(source, framework="pt") as file:
            facts = {**(file.metadata() or {}), RECORD_KEY: record.to_json()}
        return write_atomically(target, lambda partial: save_file(content, partial, facts))
    return write_atomically(target, lambda partial: save_plain(content, partial, record))


def check_target(source: Path, target: Path) -> None:
    """Refuse a target that `write_with_record` would not write, before anything is computed.

    Raises:
        InputError: there is a file at the target, or the files are of different or other kinds.
    """
    if target.exists():
        raise InputError(f"{target}: exists and is never replaced; give the path of a new file")
    kinds = [_TORCH if path.suffix in _TORCH else path.suffix for path in (source, target)]
    if kinds[0] not in (_TORCH, _SAFETENSORS):
        raise InputError(
            f"{source}: a record can be changed in .pt, .pth and .safetensors files only; change it in the weights "
            "that this file was made from, then export them again"
        )
    if kinds[0] != kinds[1]:
        raise InputError(f"{target}: has another suffix than {source}; give a path that ends in {source.suffix}")
