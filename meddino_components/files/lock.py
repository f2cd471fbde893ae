"""One writer of a folder at a time.

The lock is one of the operating system's on ``.meddino/lock``, which ends with the process that holds it; the file
``holder.json`` beside it says who that is. Forked processes of a killed holder, such as the loaders of a training, may
keep the lock for some seconds: they are waited for.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import InputError
from ..processes import rank_and_size
from .ledger import HIDDEN
from .temporaries import is_alive, remove_dead_temporaries, this_machine

_WAIT_FOR_CHILDREN_SECONDS = 60.0  # torch's loaders look for their parent every 5 s
_WAIT_FOR_NAME_SECONDS = 1.0  # between taking the lock and saying who took it
_LONGEST_COMMAND = 200  # characters that are shown


@dataclass
class _Held:
    lock: FileLock
    pid: int
    count: int = 1


# of this process, by folder: the parts of a command that write to one folder share its lock
_held: dict[Path, _Held] = {}


def take_lock(folder: Path) -> Path:
    """Take a folder's lock, or count one more user of it in this process; `release_lock` gives it back.

    Of several processes of a training the first alone takes it.

    Args:
        folder: there, and writable.

    Returns:
        what to give to `release_lock`.

    Raises:
        InputError: another process has it, which is named.
        OSError: the folder cannot be written to.
    """
    place = folder.resolve()
    if rank_and_size()[0] > 0:
        return place
    if place in _held:
        _held[place].count += 1
        return place
    (place / HIDDEN).mkdir(exist_ok=True)
    lock = FileLock(place / HIDDEN / "lock", thread_local=False)
    _acquire(lock, place, folder)
    _held[place] = _Held(lock, os.getpid())
    (place / HIDDEN / "holder.json").write_text(json.dumps(_this_process()) + "\n", encoding="ascii")
    remove_dead_temporaries(place)
    return place


def release_lock(place: Path) -> None:
    """Give back what `take_lock` gave; in a forked process nothing, since the lock is its parent's."""
    held = _held.get(place)
    if held is None or held.pid != os.getpid():
        return
    held.count -= 1
    if held.count == 0:
        del _held[place]
        (place / HIDDEN / "holder.json").unlink(missing_ok=True)
        held.lock.release()


@contextmanager
def held_lock(folder: Path) -> Iterator[None]:
    """The lock of a folder for the time of the block, see `take_lock`."""
    place = take_lock(folder)
    try:
        yield
    finally:
        release_lock(place)


def _acquire(lock: FileLock, place: Path, folder: Path) -> None:
    started = time.monotonic()
    while True:
        try:
            lock.acquire(timeout=0)
            return
        except Timeout as error:
            waited = time.monotonic() - started
            holder = _holder(place)
            if holder is None:
                if waited < _WAIT_FOR_NAME_SECONDS:
                    time.sleep(0.1)
                    continue
                raise InputError(
                    f"{folder}: another process is writing to it. Wait for it, or give another folder"
                ) from error
            died_here = holder["machine"] == this_machine() and not is_alive(holder["pid"])
            if died_here and waited < _WAIT_FOR_CHILDREN_SECONDS:
                time.sleep(0.2)
                continue
            raise InputError(f"{folder}: {_describe(holder, died_here)}, or give another output folder") from error


def _describe(holder: dict[str, Any], died_here: bool) -> str:
    who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}: {holder['command']}"
    if died_here:
        return f"processes that were started by {who} still write to it, though it has ended. End them"
    return f"another process is writing to it ({who}). Wait for it"


def _this_process() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "machine": this_machine(),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join(sys.argv)[:_LONGEST_COMMAND],
    }


def _holder(place: Path) -> dict[str, Any] | None:
    try:
        holder: dict[str, Any] = json.loads((place / HIDDEN / "holder.json").read_text(encoding="ascii"))
        return {**holder, "pid": int(holder["pid"]), "machine": str(holder["machine"])}
    except (OSError, ValueError, KeyError, TypeError):  # not written yet, or half
        return None
