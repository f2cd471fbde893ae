"""Write weights and training checkpoints so that a file is either whole or not there."""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.handlers.checkpoint import BaseSaveHandler
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.serialization import get_unsafe_globals_in_checkpoint

from meddino_components.errors import InputError
from meddino_components.processes import rank_and_size

from .record import WeightsRecord
from .record_files import RECORD_KEY, append_record
from .source import sha256_of

_PARTIAL = ".partial"


def write_weights(
    state_dict: Mapping[str, torch.Tensor],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    record: WeightsRecord | None = None,
) -> str:
    """Write tensors as safetensors or ``.pt``, by the suffix, with ``<path>.sha256`` beside it.

    Args:
        state_dict: tensors of any device.
        path: ends in ``.safetensors``, ``.pt`` or ``.pth``. A ``.pt`` holds the bare state dict, or
            ``{"model": state_dict, "metadata": metadata}``, and loads with ``weights_only=True``.
        metadata: plain facts to keep with the weights.
        record: what the weights are, kept inside the file (`read_record`); a ``.pt`` stays a bare state dict with it.

    Returns:
        The SHA-256 of the file.

    Raises:
        InputError: the suffix is another one, or the file cannot be written (full disk, no permission); what was there
            before is then as it was.
        TypeError: a value of the state dict is no tensor.
    """
    target = Path(path)
    strangers = [key for key, value in state_dict.items() if not isinstance(value, torch.Tensor)]
    if strangers:
        raise TypeError(f"not a tensor: {', '.join(strangers[:5])}")
    tensors = _independent(state_dict)
    if target.suffix == ".safetensors":
        facts = {**(metadata or {}), **({RECORD_KEY: record.to_json()} if record else {})}
        return write_atomically(target, lambda partial: save_file(tensors, partial, facts))
    if target.suffix in (".pt", ".pth"):
        content = {"model": tensors, "metadata": dict(metadata)} if metadata else tensors
        return write_atomically(target, lambda partial: _save_plain(content, partial, record))
    raise InputError(f"{target}: weights are written as .safetensors, .pt or .pth")


def write_atomically(path: Path, write: Callable[[Path], None]) -> str:
    """Let ``write`` fill a temporary file beside ``path``, then rename it to ``path`` and write ``<path>.sha256``.

    The data are on the disk before the rename. The old ``.sha256`` goes first, so that a process killed at any moment
    leaves the old file, or the new one, and never a SHA-256 that belongs to the other.

    Returns:
        The SHA-256 of the file.

    Raises:
        InputError: the file cannot be written; what was there before is as it was, and no temporary file is left.
    """
    sidecar = Path(f"{path}.sha256")
    token = secrets.token_hex(4)
    partial, partial_sidecar = (item.with_name(f".{item.name}.{token}{_PARTIAL}") for item in (path, sidecar))
    try:
        write(partial)
        _flush(partial)
        digest = sha256_of(partial)
        partial_sidecar.write_text(f"{digest}  {path.name}\n")
        _flush(partial_sidecar)
        sidecar.unlink(missing_ok=True)
        os.replace(partial, path)
        os.replace(partial_sidecar, sidecar)
        _flush(path.parent)
    # torch reports a failed write as RuntimeError
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: cannot be written ({reason}); check the folder, its permissions and the free space. "
            "A file of this name that was there before is unchanged"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
        partial_sidecar.unlink(missing_ok=True)
    return digest


class AtomicSaver(BaseSaveHandler):
    """``save_handler`` of ignite's ``Checkpoint`` that writes each file whole, with its SHA-256 beside it.

    Unlike ignite's ``DiskSaver`` it flushes to the disk before it renames, removes what a killed run left behind, and
    refuses at once a checkpoint that ``torch.load(weights_only=True)`` could not read back.

    Args:
        dirname: the folder, made where it is missing; for one run alone.
        record: what the weights are, kept inside each file.
    """

    def __init__(self, *, dirname: str | os.PathLike[str], record: WeightsRecord | None = None) -> None:
        self.dirname, self.record = Path(dirname).expanduser(), record
        if rank_and_size()[0] == 0:
            self.dirname.mkdir(parents=True, exist_ok=True)
            for left_over in self.dirname.glob(f".*{_PARTIAL}"):
                left_over.unlink(missing_ok=True)

    def __call__(self, checkpoint: Mapping[str, Any], filename: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Write ``checkpoint`` on the first process; ``metadata`` is ignite's own and not stored."""
        if rank_and_size()[0] == 0:
            write_atomically(self.dirname / filename, lambda partial: _save_plain(checkpoint, partial, self.record))

    def remove(self, filename: str) -> None:
        """Delete a checkpoint and its ``.sha256``."""
        if rank_and_size()[0] == 0:
            (self.dirname / filename).unlink(missing_ok=True)
            (self.dirname / f"{filename}.sha256").unlink(missing_ok=True)


def _save_plain(content: Mapping[str, Any], path: Path, record: WeightsRecord | None = None) -> None:
    """Save with torch and make sure that ``weights_only=True`` reads it back."""
    torch.save(dict(content), path)
    unsafe = get_unsafe_globals_in_checkpoint(path)
    if unsafe:
        raise TypeError(
            f"holds objects that weights_only=True refuses: {', '.join(unsafe[:5])}; keep tensors and plain values"
        )
    if record is not None:
        append_record(path, record)


def _independent(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return contiguous tensors on the CPU, none of which shares memory or drags a larger storage along."""
    tensors: dict[str, torch.Tensor] = {}
    storages = set()
    for key, value in state_dict.items():
        tensor = value.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in storages or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone()
        storages.add(tensor.untyped_storage().data_ptr())
        tensors[key] = tensor
    return tensors


def _flush(path: Path) -> None:
    """Wait until a file's data, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
