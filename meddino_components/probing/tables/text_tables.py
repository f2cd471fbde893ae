"""Tables of text as Markdown, LaTeX and CSV. A table is a list of rows of cells, the head first."""

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
    """A line of heading, and the table in the dialect of GitHub; what would end a cell or a row is escaped."""
    head, *body = table
    lines = [heading, "", _markdown_row(head), "|---" * len(head) + "|", *map(_markdown_row, body)]
    return "\n".join(lines) + "\n"


def latex(table: Table, *, heading: str, columns: str) -> str:
    """A ``tabular`` without packages, under the heading as a comment.

    Args:
        table: plain text; what LaTeX would take for its own signs is escaped.
        heading: one line.
        columns: alignment of each, such as "lcc".
    """
    head, *body = map(_latex_row, table)
    comment = f"% {' '.join(heading.split())}"
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return "\n".join([comment, begin, r"\hline", head, r"\hline", *body, r"\hline", end]) + "\n"


def csv_text(table: Table) -> str:
    """Values between commas, quoted where they have to be; none is a formula."""
    text = StringIO()
    write_csv(text, table)
    return text.getvalue()


def markdown_cell(text: str) -> str:
    """A text that stays one cell of a table."""
    return " ".join(text.replace("\\", "\\\\").replace("|", r"\|").split())


def latex_cell(text: str) -> str:
    """A text without what LaTeX takes for its own signs."""
    return " ".join(re.sub(r"[\\~^&%$#_{}]", lambda sign: _LATEX[sign[0]], text).split())


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(markdown_cell(cell) for cell in cells)} |"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_cell, cells)) + r" \\"
