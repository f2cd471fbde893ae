"""Files that a page shows: blocks of code whose first line is a comment with their path.

A block ``diff`` shows a change of a file that is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SECTION = re.compile(r"^### (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(?P<language>py|yaml|diff)\n# (?P<path>\S+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class ShownFile:
    """A file, or a change of one.

    Attributes:
        path: relative to the checkout.
        text: of the whole file, or of the change.
        is_change: whether it is a change.
    """

    path: str
    text: str
    is_change: bool

    @property
    def n_lines(self) -> int:
        """Lines that somebody writes."""
        lines = self.text.splitlines()
        return sum(line.startswith("+") for line in lines) if self.is_change else len(lines)

    def write(self, root: Path) -> None:
        """Write it into a checkout, or change the file there."""
        path = root / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_changed(path, self.text) if self.is_change else self.text, encoding="utf-8")


def _changed(path: Path, change: str) -> str:
    lines, place = path.read_text(encoding="utf-8").splitlines(), 0
    for line in change.splitlines():
        sign, content = line[0], line[1:]
        if sign == "+":
            lines.insert(place, content)
            place += 1
        else:
            place = lines.index(content) + (sign == " ")
            if sign == "-":
                del lines[place]
    return "\n".join(lines) + "\n"


def shown_files(page: Path) -> dict[str, list[ShownFile]]:
    """The files of each section of a page."""
    parts = _SECTION.split(page.read_text(encoding="utf-8"))
    return {
        title: [ShownFile(m["path"], m["text"], m["language"] == "diff") for m in _BLOCK.finditer(text)]
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }
