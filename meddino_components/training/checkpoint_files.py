"""The newest checkpoint of a run, and the ones before it."""

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
    """``checkpoint.pt`` is the newest; ``checkpoints/checkpoint_<iteration>.pt`` beside it are the ones before.

    Each has its SHA-256 beside it. An older one is a hard link of what was the newest, so that keeping costs no copy; a
    file system without hard links gets a copy.

    Args:
        path: path of the newest checkpoint.
        kept: checkpoints in all, the newest included.
        record: what the weights are, kept inside each file.
    """

    def __init__(self, path: Path, *, kept: int, record: WeightsRecord | None = None) -> None:
        if kept < 1:
            raise InputError(f"checkpoints_kept is {kept}; expected at least 1")
        self.path, self.kept, self.record = path, kept, record
        self.folder = path.parent / "checkpoints"
        # of the newest; None where this run neither wrote nor read it
        self.newest: int | None = None

    def write(self, payload: Mapping[str, Any], iteration: int, kept_every: int | None = None) -> None:
        """Replace the newest, which becomes the first of those before it.

        Args:
            payload: plain data.
            iteration: that the payload is of. Checkpoints of it and later ones, which a run that went back leaves
                behind, are removed.
            kept_every: iterations; those of its multiples stay.
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
        """Those before the newest by their iterations, in order."""
        found = {int(match[1]): path for path in self.folder.glob("*.pt") if (match := _NUMBERED.fullmatch(path.name))}
        return dict(sorted(found.items()))

    def check(self, path: Path) -> None:
        """Refuse a file that is not as it was written.

        Raises:
            InputError: damaged, cut short or not there; the message names the newest whole one before it.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such checkpoint{self._way_out(path)}")
        if problem := _damage(path):
            raise InputError(f"{path}: damaged, {problem}{self._way_out(path)}")

    def read(self, path: Path) -> Mapping[str, Any]:
        """What a checkpoint holds.

        Raises:
            InputError: it cannot be read, or holds something else.
        """
        try:
            payload = read_payload(path)
        except InputError as error:
            raise InputError(f"{error}{self._way_out(path)}") from error
        if not isinstance(payload, Mapping) or not {"iteration", "random_states"} <= set(payload):
            raise InputError(f"{path} is no checkpoint of training: expected what a run wrote to its output_dir")
        return payload

    def _way_out(self, path: Path) -> str:
        whole = next((p for p in reversed(self.before().values()) if p != path and not _damage(p)), None)
        if whole is None:
            return "; there is no whole checkpoint before it: begin a new run in another --output_dir"
        return f"; the one before it is whole: go on from that by `--resume {whole}`"

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
    """What is wrong with a file, or nothing; without a SHA-256, which a kill can cost, by the checksums inside."""
    if recorded := _recorded(path):
        found = sha256_of(path)
        return (
            "" if found == recorded else f"its SHA-256 is {found[:12]}..., {path.name}.sha256 says {recorded[:12]}..."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        return f"cut short or of another kind ({error})"
    return f"{bad} in it fails its checksum" if bad else ""
