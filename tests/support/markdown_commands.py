"""What the pages tell a user to type: the shell and Python blocks of Markdown files, and commands within a sentence."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from command_lines import REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "SECURITY.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "bundles").glob("*/docs/README.md")),
]
PROGRAMS = ("python", "torchrun", "make", "pip", "meddino")

# also one that is indented, below an item of a list
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
# a command of one line within a sentence: `python -m ...`; a program's name alone tells nobody to type it
_INLINE = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`")
_STARTS = re.compile(rf"^(?:{'|'.join((*PROGRAMS, 'cd', 'cp', 'OMP_WAIT_POLICY'))})\b|^[A-Z]+=", re.MULTILINE)


@dataclass(frozen=True)
class Script:
    """Text that a user would copy.

    Attributes:
        page: the file, relative to the repository.
        line: where it stands.
        language: ``sh`` or ``python``.
        text: as it stands there.
    """

    page: str
    line: int
    language: str
    text: str


def scripts(page: Path) -> list[Script]:
    """The scripts of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(REPOSITORY).as_posix()
    found = []
    for match in _BLOCK.finditer(text):
        language, block = match["language"], textwrap.dedent(match["text"])
        if language == "python" or (language in ("", "bash") and _STARTS.search(block)):
            kind = "python" if language == "python" else "sh"
            found.append(Script(name, _line(text, match.start()), kind, block))
    prose = _BLOCK.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in _INLINE.finditer(prose):
        found.append(Script(name, _line(prose, match.start()), "sh", " ".join(match[1].split())))
    return sorted(found, key=lambda script: script.line)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
