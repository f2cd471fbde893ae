"""Write weights and training checkpoints so that a file is either complete or absent."""

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
    """Write tensors as safetensors or ``.pt``, depending on the suffix, with ``<path>.sha256`` next to the file.

    Args:
        state_dict: tensors by name, on any device.
        path: path of the file, which ends in ``.safetensors``, ``.pt`` or ``.pth``. A ``.pt`` holds the bare state
            dict, or ``{"model": state_dict, "metadata": metadata}``, and loads with ``weights_only=True``.
        metadata: facts to store with the weights.
        record: record to store inside the file (`read_record`); a ``.pt`` still loads as a bare state dict.

    Returns:
        The SHA-256 of the file.

    Raises:
        InputError: the suffix is another one, the file cannot be written (full disk, no permission), or it would
            replace a file that this project did not write or that was edited since. The existing file then stays
            unchanged.
        TypeError: a value of the state dict is not a tensor.
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
        return write_atomically(target, lambda partial: save_plain(content, partial, record))
    raise InputError(f"{target}: unknown suffix; expected .safetensors, .pt or .pth")


class AtomicSaver(BaseSaveHandler):
    """``save_handler`` of ignite's ``Checkpoint`` that writes each file atomically, with its SHA-256 next to it.

    Unlike ignite's ``DiskSaver``, it flushes to disk before it renames, removes temporary files of a killed run, and
    immediately refuses a checkpoint that ``torch.load(weights_only=True)`` could not read back.

    Args:
        dirname: folder for the checkpoints of one run, created if missing.
        record: record to store inside each file.
    """

    def __init__(self, *, dirname: str | os.PathLike[str], record: WeightsRecord | None = None) -> None:
        self.dirname, self.record = Path(dirname).expanduser(), record
        if rank_and_size()[0] == 0:
            self.dirname.mkdir(parents=True, exist_ok=True)
            remove_dead_temporaries(self.dirname)

    def __call__(self, checkpoint: Mapping[str, Any], filename: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Write ``checkpoint`` on the first process; ``metadata`` comes from ignite and is not stored."""
        if rank_and_size()[0] == 0:
            write_atomically(self.dirname / filename, lambda partial: save_plain(checkpoint, partial, self.record))

    def remove(self, filename: str) -> None:
        """Delete a checkpoint and its ``.sha256``."""
        if rank_and_size()[0] == 0:
            (self.dirname / filename).unlink(missing_ok=True)
            (self.dirname / f"{filename}.sha256").unlink(missing_ok=True)


def save_plain(content: Mapping[str, Any], path: Path, record: WeightsRecord | None = None) -> None:
    """Save with torch and make sure that ``weights_only=True`` reads it back.

    Args:
        content: tensors and plain values by name.
        path: path of the file to write.
        record: record to store inside the file.

    Raises:
        TypeError: the content holds other objects.
    """
    # pass an open file: given a path, torch would write its random temporary name into the archive
    with path.open("wb") as file:
        torch.save(dict(content), file)
    unsafe = get_unsafe_globals_in_checkpoint(path)
    if unsafe:
        raise TypeError(
            f"holds objects that weights_only=True refuses: {', '.join(unsafe[:5])}; store only tensors and plain "
            f"values"
        )
    if record is not None:
        append_record(path, record)


def _independent(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return contiguous tensors on the CPU that share no memory and keep no larger storage alive."""
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
