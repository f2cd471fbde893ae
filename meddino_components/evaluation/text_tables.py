"""Tables of text as Markdown, LaTeX and CSV. A table is a list of rows of cells, the head first."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

Table = Sequence[Sequence[str]]


def markdown(table: Table, *, heading: str) -> str:
    """A line of heading, and the table in the dialect of GitHub."""
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
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return "\n".join([f"% {heading}", begin, r"\hline", head, r"\hline", *body, r"\hline", end]) + "\n"


def csv_text(table: Table) -> str:
    """Values between commas, quoted where they have to be."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("&", r"\&").replace("_", r"\_").replace("%", r"\%") for cell in cells)
    return " & ".join(escaped) + r" \\"
