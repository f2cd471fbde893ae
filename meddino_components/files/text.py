"""Text that can always be written: names of files may hold bytes that no encoding knows."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    r"""Write UTF-8; what UTF-8 cannot hold becomes an escape such as ``\udcfc``.

    Such characters come from names of files that are not UTF-8. In a string of JSON the escape is read back as the
    same name.

    Args:
        path: the file, written over.
        text: written with its line ends as they are.
    """
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    """The text as this process's output can show it, with escapes in the place of what its encoding lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def stable_name(name: str) -> str:
    """A file's name in the same characters whatever the locale of the process that read it."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")
