"""What a folder holds after a kill: nothing of the user's lost, nothing torn."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from meddino_components.checkpoints import sha256_of

from .commands import Command

_USERS = {"thesis.txt": b"the user's own", "notes.nii.gz": b"no scan, but the user's"}


def contents(command: Command, out: Path) -> dict[str, str]:
    """Hashes of the files that have to be equal after every run."""
    found = {path for pattern in command.compared for path in out.glob(pattern) if path.is_file()}
    return {str(path.relative_to(out)): _digest(path) for path in sorted(found) if path.name not in _USERS}


def _digest(path: Path) -> str:
    """Of the tensors of a .safetensors, whose header has its facts in an order by chance; else of the file."""
    if path.suffix != ".safetensors":
        return sha256_of(path)
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(path).items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def torn(out: Path) -> list[str]:
    """Published files that are neither what was there nor what was being written."""
    wrong = []
    for record in out.rglob(".meddino/files.json"):
        for name, hashes in json.loads(record.read_text(encoding="utf-8"))["files"].items():
            path = record.parent.parent / name
            if path.exists() and hashes is not None and sha256_of(path) not in hashes:
                wrong.append(str(path))
    for sidecar in out.rglob("*.sha256"):
        path = sidecar.with_name(sidecar.name.removesuffix(".sha256"))
        if path.exists() and sha256_of(path) != sidecar.read_text(encoding="utf-8").split()[0]:
            wrong.append(str(path))
    for path in out.rglob("*.json"):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            wrong.append(str(path))
    return wrong


def lost(out: Path, command: Command) -> list[str]:
    """Files of the user's that are not as they were."""
    expected = _USERS if command.beside_users else {}
    return [name for name, text in expected.items() if not (out / name).exists() or (out / name).read_bytes() != text]


def written(out: Path) -> int:
    """Files that a command has put into its folder, partial ones too."""
    hidden = {"lock", "files.lock", "holder.json"}
    paths = (path for path in out.rglob("*") if path.is_file() and path.name not in hidden)
    return sum(path.name not in _USERS for path in paths)


def fresh(folder: Path, command: Command) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if command.beside_users:
        for name, text in _USERS.items():
            (folder / name).write_bytes(text)
    return folder
