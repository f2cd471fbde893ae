"""Check before the first step that files of the end of a run can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..errors import InputError


def check_writable(path: Path) -> None:
    """Create the folder of a file that is written later, and test that it is writable.

    Raises:
        InputError: the file could not be written; the message gives the reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}). Set another `--output_dir`, or change the permissions"
        ) from error
