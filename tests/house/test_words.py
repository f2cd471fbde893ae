"""Argument lines of docstrings name the thing: "Seed for the bootstrap", never "Of the bootstrap" or "The same"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "meddino_components"
ARGUMENT = re.compile(r"    \*{0,2}[\w, *]+: +(.*)")
NAMES_NOTHING = re.compile(r"(of|the same)\b", re.IGNORECASE)


def argument_lines(docstring: str) -> Iterator[str]:
    """The lines of the sections Args and Attributes that begin an entry."""
    section = ""
    for line in docstring.splitlines():
        if line and not line.startswith(" "):
            section = line
        elif section in ("Args:", "Attributes:") and ARGUMENT.fullmatch(line):
            yield line


def lines_that_name_nothing(source: str) -> list[str]:
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(ast.parse(source)) if isinstance(node, nodes)]
    lines = [line for node in documented for line in argument_lines(ast.get_docstring(node) or "")]
    return [line.strip() for line in lines if NAMES_NOTHING.match(ARGUMENT.fullmatch(line)[1])]


def test_argument_lines_name_the_thing():
    found = {path: lines_that_name_nothing(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(PACKAGE)): lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("seed: of the bootstrap.", True),
        ("seed: Of the bootstrap.", True),
        ("uneven_slices: the same.", True),
        ("seed: seed for the bootstrap.", False),
        ("offset: bytes before the first value, of the header.", False),
    ],
)
def test_what_counts(line, is_found):
    source = f'def draw():\n    """Draw.\n\n    Args:\n        {line}\n    """\n'
    assert bool(lines_that_name_nothing(source)) == is_found
