"""Record which files of a folder this project wrote: their names and hashes, in ``.meddino/files.json``.

A file that is not listed belongs to the user; one with another hash was edited since it was written.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from ..errors import InputError
from .atomic import AtomicFiles
from .hashing import sha256_of
from .text import stable_name

HIDDEN = ".meddino"
_VERSION = 1
_WAIT_SECONDS = 120.0
_threads = threading.RLock()

State = Literal["absent", "ours", "edited", "foreign"]


class Ledger:
    """The record of one folder; its subfolders have their own records.

    Attributes:
        folder: folder that contains the files.
        hashes: SHA-256 hashes by name: that of the current file, and that of the file about to replace it; None for a
            file that grows, such as a log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hashes: dict[str, list[str] | None] = self._read()

    @property
    def path(self) -> Path:
        return self.folder / HIDDEN / "files.json"

    def state(self, name: str) -> State:
        """Return who owns the file of this name, and whether it was edited.

        Raises:
            OSError: it cannot be read.
        """
        path = self.folder / name
        if path.is_symlink():
            return "foreign"  # this project writes no links or folders here
        if not path.exists():
            return "absent"
        key = stable_name(name)
        if not path.is_file() or key not in self.hashes:
            return "foreign"
        known = self.hashes[key]
        return "ours" if known is None or sha256_of(path) in known else "edited"

    def enter(self, name: str, hashes: list[str] | None) -> None:
        """Add a file to the record; `write` saves it to disk."""
        self.hashes[stable_name(name)] = hashes

    def write(self) -> None:
        """Save the record to disk, completely or not at all."""
        text = json.dumps({"version": _VERSION, "files": self.hashes}, indent=1)
        with AtomicFiles() as files:
            files.path(self.path).write_text(text + "\n", encoding="ascii")

    def _read(self) -> dict[str, list[str] | None]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            hashes: dict[str, list[str] | None] = dict(content["files"])
            version = content["version"]
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path}: is damaged ({error}), so it is unknown which files of {self.folder} may be replaced. "
                f"Give another output folder"
            ) from error
        if version != _VERSION:
            raise InputError(f"{self.path}: has version {version}, expected {_VERSION}. Give another output folder")
        return hashes


@contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """Open the record of a folder; no other process can change it during the block.

    Raises:
        InputError: another process has kept it open for minutes.
        OSError: the folder cannot be written to.
    """
    (folder / HIDDEN).mkdir(exist_ok=True)
    with _threads:
        try:
            with FileLock(folder / HIDDEN / "files.lock", timeout=_WAIT_SECONDS, thread_local=False):
                yield Ledger(folder)
        except Timeout as error:
            raise InputError(
                f"{folder}: another process has been writing files there for {_WAIT_SECONDS:.0f} s. Wait for it, or "
                "give another output folder"
            ) from error
