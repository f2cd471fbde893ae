"""Find out before the first step whether what comes at the end can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..errors import InputError


def check_writable(path: Path) -> None:
    """Make the folder of a file that is written later, and try to write there.

    Raises:
        InputError: names the file, and why it could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); give another `--output_dir`, or see to its permissions"
        ) from error
