"""Write, keep, check and read the checkpoint files of a run."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checkpoints import AtomicSaver, WeightsRecord, read_payload, sha256_of
from ..errors import InputError

_NUMBERED = re.compile(r"checkpoint_(\d{7,})\.pt")


class CheckpointFiles:
    """Files of the newest checkpoint, ``checkpoint.pt``, and earlier ones, ``checkpoints/checkpoint_<iteration>.pt``.

    Each has its SHA-256 in a file next to it. Earlier checkpoints are hard links, which take no time to make; they are
    copies if the file system has no hard links.

    Args:
        path: path of the newest checkpoint.
        kept: number of checkpoints to keep, including the newest.
        record: description of the weights to store in each file.
    """

    def __init__(self, path: Path, *, kept: int, record: WeightsRecord | None = None) -> None:
        if kept < 1:
            raise InputError(f"checkpoints_kept is {kept}; expected at least 1")
        self.path, self.kept, self.record = path, kept, record
        self.folder = path.parent / "checkpoints"
        # iteration of the newest checkpoint; None if this run has neither written nor read it
        self.newest: int | None = None

    def write(self, payload: Mapping[str, Any], iteration: int, kept_every: int | None = None) -> None:
        """Write the newest checkpoint; the previous one is kept among the earlier ones.

        Args:
            payload: plain data to save.
            iteration: iteration of the payload. Earlier files of this or a later iteration, which remain if a run
                resumes from an older checkpoint, are removed.
            kept_every: number of iterations; checkpoints at its multiples are never removed.
        """
        if self.newest is not None and self.newest < iteration and self.path.exists():
            self._keep(self.newest)
        AtomicSaver(dirname=self.path.parent, record=self.record)(payload, self.path.name)
        self.newest = iteration
        before = self.before()
        past = [number for number in before if number < iteration]
        staying = past[max(0, len(past) - self.kept + 1) :]
        for number, path in before.items():
            if number not in staying and (number >= iteration or not kept_every or number % kept_every):
                path.unlink(missing_ok=True)
                _sidecar(path).unlink(missing_ok=True)

    def before(self) -> dict[int, Path]:
        """Return the earlier checkpoints by iteration, in order."""
        found = {int(match[1]): path for path in self.folder.glob("*.pt") if (match := _NUMBERED.fullmatch(path.name))}
        return dict(sorted(found.items()))

    def check(self, path: Path) -> None:
        """Refuse a checkpoint that is missing or damaged.

        Raises:
            InputError: the file is damaged, truncated or missing; the message names the newest intact earlier one.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such checkpoint{self._way_out(path)}")
        if problem := _damage(path):
            raise InputError(f"{path}: the file is damaged ({problem}){self._way_out(path)}")

    def read(self, path: Path) -> Mapping[str, Any]:
        """Return the content of a checkpoint.

        Raises:
            InputError: the file cannot be read, or is not a training checkpoint.
        """
        try:
            payload = read_payload(path)
        except InputError as error:
            raise InputError(f"{error}{self._way_out(path)}") from error
        if not isinstance(payload, Mapping) or not {"iteration", "random_states"} <= set(payload):
            raise InputError(f"{path}: is not a training checkpoint; expected one that a run wrote to its output_dir")
        return payload

    def _way_out(self, path: Path) -> str:
        whole = next((p for p in reversed(self.before().values()) if p != path and not _damage(p)), None)
        if whole is None:
            return "; there is no intact earlier checkpoint: start a new run in another --output_dir"
        return f"; an earlier checkpoint is intact: resume from it with `--resume {whole}`"

    def _keep(self, iteration: int) -> None:
        self.folder.mkdir(exist_ok=True)
        target = self.folder / f"checkpoint_{iteration:07d}.pt"
        digest = _recorded(self.path)
        _sidecar(target).unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(self.path, target)
        except OSError:  # a file system without hard links
            shutil.copyfile(self.path, target)
        if digest:
            _sidecar(target).write_text(f"{digest}  {target.name}\n", encoding="utf-8")


def _sidecar(path: Path) -> Path:
    return Path(f"{path}.sha256")


def _recorded(path: Path) -> str:
    sidecar = _sidecar(path)
    words = sidecar.read_text(encoding="utf-8", errors="replace").split() if sidecar.is_file() else []
    return words[0].lower() if words else ""


def _damage(path: Path) -> str:
    """Describe the damage of a file; empty if it is intact.

    Without a recorded SHA-256, which is missing if a run was killed in between, use the checksums inside the file.
    """
    if recorded := _recorded(path):
        found = sha256_of(path)
        return (
            "" if found == recorded else f"SHA-256 {found[:12]}..., but {path.name}.sha256 records {recorded[:12]}..."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        return f"truncated, or not a checkpoint: {error}"
    return f"wrong checksum of its part {bad}" if bad else ""
