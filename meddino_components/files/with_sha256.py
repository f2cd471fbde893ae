"""Write one file with its SHA-256 next to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from ..errors import InputError
from .hashing import sha256_of
from .results import ResultFiles


def write_atomically(path: Path, write: Callable[[Path], None], *, overwrite: bool | None = None) -> str:
    """Let ``write`` fill a temporary file next to ``path``, rename it to ``path`` and write ``<path>.sha256``.

    The data are on disk before the rename. The old ``.sha256`` is removed first, so a process killed at any moment
    leaves either the old or the new file, and never a SHA-256 that belongs to the other.

    Args:
        path: path of the file; its folder is created if missing.
        write: function that writes the file at the temporary path it is given.
        overwrite: whether to replace an edited file, see `ResultFiles`.

    Returns:
        The SHA-256 of the file.

    Raises:
        InputError: the file cannot be written, or would replace one that may not be replaced. The existing file stays
            unchanged, and no temporary file remains.
    """
    sidecar = Path(f"{path}.sha256")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ResultFiles(overwrite=overwrite) as files:
            partial = files.path(path)
            write(partial)
            digest = sha256_of(partial)
            files.path(sidecar).write_text(f"{digest}  {path.name}\n", encoding="utf-8", errors="surrogateescape")
            files.remove_first(sidecar)
    except InputError:
        raise
    except (OSError, RuntimeError, SafetensorError) as error:  # torch reports a failed write as RuntimeError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: cannot be written ({reason}); check the folder, its permissions and the free space. An existing "
            f"file of this name is unchanged"
        ) from error
    return digest
