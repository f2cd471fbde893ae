"""What this project wrote into a folder: the names and hashes of its files, in ``.meddino/files.json``.

A file whose name is not in it is the user's; one whose hash is another was edited since.
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
    """The record of one folder; files of folders below it have records of their own.

    Attributes:
        folder: whose files these are.
        hashes: SHA-256s by name: of a file as it is, and of the one that is about to replace it; None for a file that
            grows, such as a log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hashes: dict[str, list[str] | None] = self._read()

    @property
    def path(self) -> Path:
        return self.folder / HIDDEN / "files.json"

    def state(self, name: str) -> State:
        """Whose the file of this name is.

        Raises:
            OSError: it cannot be read.
        """
        path = self.folder / name
        if path.is_symlink():
            return "foreign"  # this project writes none
        if not path.exists():
            return "absent"
        key = stable_name(name)
        if not path.is_file() or key not in self.hashes:
            return "foreign"
        known = self.hashes[key]
        return "ours" if known is None or sha256_of(path) in known else "edited"

    def enter(self, name: str, hashes: list[str] | None) -> None:
        """Note a file; `write` puts it on the disk."""
        self.hashes[stable_name(name)] = hashes

    def write(self) -> None:
        """Put the record on the disk, whole or not at all."""
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
                f"{self.path}: is damaged ({error}), so it is not known which files of {self.folder} may be replaced. "
                "Give another output folder"
            ) from error
        if version != _VERSION:
            raise InputError(f"{self.path}: has version {version}, this one reads {_VERSION}. Give another folder")
        return hashes


@contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """The record of a folder, which no other process changes meanwhile.

    Raises:
        InputError: another process has had it for minutes.
        OSError: the folder cannot be written to.
    """
    (folder / HIDDEN).mkdir(exist_ok=True)
    with _threads:
        try:
            with FileLock(folder / HIDDEN / "files.lock", timeout=_WAIT_SECONDS, thread_local=False):
                yield Ledger(folder)
        except Timeout as error:
            raise InputError(
                f"{folder}: another process has been putting files there for {_WAIT_SECONDS:.0f} s. Wait for it, or "
                "give another output folder"
            ) from error
