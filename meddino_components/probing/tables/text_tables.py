"""Tables of text as Markdown, LaTeX and CSV. A table is a list of rows of cells, the header first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO

from ...files import write_csv

Table = Sequence[Sequence[str]]

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def markdown(table: Table, *, heading: str) -> str:
    """A heading line and the table in GitHub's Markdown; characters that would end a cell or a row are escaped."""
    head, *body = table
    lines = [heading, "", _markdown_row(head), "|---" * len(head) + "|", *map(_markdown_row, body)]
    return "\n".join(lines) + "\n"


def latex(table: Table, *, heading: str, columns: str) -> str:
    """A LaTeX ``tabular`` that needs no package, with the heading as a comment above it.

    Args:
        table: cells of plain text; characters with a meaning in LaTeX are escaped.
        heading: one line of text.
        columns: alignment of the columns, such as "lcc".
    """
    head, *body = map(_latex_row, table)
    comment = f"% {' '.join(heading.split())}"
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return "\n".join([comment, begin, r"\hline", head, r"\hline", *body, r"\hline", end]) + "\n"


def csv_text(table: Table) -> str:
    """Comma-separated values, quoted if necessary; no cell can be evaluated as a formula."""
    text = StringIO()
    write_csv(text, table)
    return text.getvalue()


def markdown_cell(text: str) -> str:
    """Text escaped so that it stays one cell of a table."""
    return " ".join(text.replace("\\", "\\\\").replace("|", r"\|").split())


def latex_cell(text: str) -> str:
    """Text with the characters escaped that have a meaning in LaTeX."""
    return " ".join(re.sub(r"[\\~^&%$#_{}]", lambda sign: _LATEX[sign[0]], text).split())


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(markdown_cell(cell) for cell in cells)} |"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_cell, cells)) + r" \\"
