"""Name temporary files uniquely, and remove those of processes that have ended."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

_NAME = re.compile(r"\.meddino-([0-9a-f]{6})-(\d+)-[0-9a-f]{8}\.partial(\..{1,15})?", re.DOTALL)
_LONGEST_SUFFIX = 16  # characters; a longer one does not denote a file type


def temporary_beside(final: Path) -> Path:
    """Return a hidden name in the same folder that no other process chooses.

    It keeps the suffix, by which writers choose a format. It is short, so that the final name may be as long as the
    file system allows. The first call for a folder removes temporary files that dead processes left there.
    """
    _clear_once(final.parent, os.getpid())
    suffix = ".nii.gz" if final.name.endswith(".nii.gz") else final.suffix
    if len(suffix) >= _LONGEST_SUFFIX or "\n" in suffix:
        suffix = ""
    token = secrets.token_hex(4)
    return final.with_name(f".meddino-{this_machine()}-{os.getpid()}-{token}.partial{suffix}")


def remove_dead_temporaries(folder: Path) -> None:
    """Remove the temporary files and folders of this machine's processes that have ended."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if entry.name.startswith(".meddino-")]
    except OSError:  # missing or unreadable: the next write reports it
        return
    for name in found:
        parts = _NAME.fullmatch(name)
        if parts is None or parts[1] != this_machine() or is_alive(int(parts[2])):
            continue
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # may belong to another user in a shared folder
                path.unlink()


def is_alive(pid: int) -> bool:
    """Return whether a process with this number runs on this machine."""
    if os.name != "posix":  # elsewhere this signal would end the process, so count it as alive
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@cache
def this_machine() -> str:
    """Return an identifier of this machine, or of this container on it."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{socket.gethostname()}\n{namespace}".encode()).hexdigest()[:6]


@cache
def _clear_once(folder: Path, pid: int) -> None:
    """Clear a folder once per process: ``pid`` is in the cache key, as forks inherit their parent's cache."""
    remove_dead_temporaries(folder)
