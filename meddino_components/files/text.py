"""Write text that may contain undecodable bytes, such as names of files."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    r"""Write UTF-8; characters that UTF-8 cannot encode become escapes such as ``\udcfc``.

    Such characters come from file names that are not UTF-8. In a JSON string, the escape is read back as the same name.

    Args:
        path: path of the file, which is overwritten.
        text: text to write; its line ends stay as they are.
    """
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    """Return text that this process can print, with escapes for characters that its encoding lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def stable_name(name: str) -> str:
    """Return a file's name in the same characters, whatever the locale of the process that read it."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")
