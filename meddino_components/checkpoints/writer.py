"""Write weights and training checkpoints so that a file is either whole or not there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.handlers.checkpoint import BaseSaveHandler
from safetensors.torch import save_file
from torch.serialization import get_unsafe_globals_in_checkpoint

from meddino_components.errors import InputError
from meddino_components.files import remove_dead_temporaries, write_atomically
from meddino_components.processes import rank_and_size

from .record import WeightsRecord
from .record_files import RECORD_KEY, append_record


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
        InputError: the suffix is another one, the file cannot be written (full disk, no permission), or one that this
            project did not write is there, or that was edited since; what was there before is then as it was.
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
            remove_dead_temporaries(self.dirname)

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
    # an open file, since torch puts a path's name, which is a random one here, into the archive
    with path.open("wb") as file:
        torch.save(dict(content), file)
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
