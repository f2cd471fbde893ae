"""Lock a folder so that only one process writes to it at a time.

The operating system holds the lock on ``.meddino/lock`` and releases it when its process ends; ``holder.json`` next to
it names that process. Child processes of a killed holder, such as data loaders, may keep the lock for some seconds, so
`take_lock` waits for them.
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

_WAIT_FOR_CHILDREN_SECONDS = 60.0  # torch's loaders check every 5 s whether their parent is alive
_WAIT_FOR_NAME_SECONDS = 1.0  # time between taking the lock and writing who holds it
_LONGEST_COMMAND = 200  # characters that are shown


@dataclass
class _Held:
    lock: FileLock
    pid: int
    count: int = 1


# locks of this process by folder: parts of a command that write to the same folder share its lock
_held: dict[Path, _Held] = {}


def take_lock(folder: Path) -> Path:
    """Take a folder's lock, or count one more user of it in this process; `release_lock` releases it.

    In a training with several processes, only the first one takes it.

    Args:
        folder: existing, writable folder.

    Returns:
        The value to pass to `release_lock`.

    Raises:
        InputError: another process holds the lock; the message names it.
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
    """Release a lock; does nothing in a forked process, as the lock belongs to its parent."""
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
    """Hold the lock of a folder during the block, see `take_lock`."""
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
                    f"{folder}: another process is writing to it. Wait for it to end, or give another output folder"
                ) from error
            died_here = holder["machine"] == this_machine() and not is_alive(holder["pid"])
            if died_here and waited < _WAIT_FOR_CHILDREN_SECONDS:
                time.sleep(0.2)
                continue
            raise InputError(f"{folder}: {_describe(holder, died_here)}, or give another output folder") from error


def _describe(holder: dict[str, Any], died_here: bool) -> str:
    who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}: {holder['command']}"
    if died_here:
        return f"processes started by {who} still write to it, although it has ended. End them"
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
    except (OSError, ValueError, KeyError, TypeError):  # not written yet, or incomplete
        return None
