"""Temporary files: a name that no other process chooses, and an end to those of processes that are gone."""

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
_LONGEST_SUFFIX = 16  # characters; what is longer is no kind of file


def temporary_beside(final: Path) -> Path:
    """A hidden name in the same folder that no other process chooses.

    The suffix, by which writers choose a format, stays. The name is short whatever the final one is, so that this one
    may be as long as the file system allows. Temporaries that dead processes left in the folder are removed at the
    first call for it.
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
    except OSError:  # not there yet, or not to be listed: whatever is written next says so
        return
    for name in found:
        parts = _NAME.fullmatch(name)
        if parts is None or parts[1] != this_machine() or is_alive(int(parts[2])):
            continue
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # of another user, in a folder that several share
                path.unlink()


def is_alive(pid: int) -> bool:
    """Whether this machine has a process of this number."""
    if os.name != "posix":  # elsewhere asking ends the process; it counts as alive
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
    """What tells the processes of this machine, or of this container on it, from those of others."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{socket.gethostname()}\n{namespace}".encode()).hexdigest()[:6]


@cache
def _clear_once(folder: Path, pid: int) -> None:
    """``pid`` is part of the key, since a forked process inherits what its parent remembered."""
    remove_dead_temporaries(folder)
