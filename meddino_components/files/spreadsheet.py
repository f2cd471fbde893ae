"""Write CSV tables whose cells no spreadsheet evaluates as formulas."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

# Excel, LibreOffice and Google Sheets evaluate a cell that starts with one of these (OWASP, CSV injection)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARK = "'"


def write_csv(file: TextIO, rows: Iterable[Sequence[Any]], *, lineterminator: str = "\n") -> None:
    """Write rows with safe text in every cell, see `safe_cell`."""
    writer = csv.writer(file, lineterminator=lineterminator)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)


def safe_cell(value: Any) -> Any:
    """Return a cell unchanged, but put an apostrophe before text that a spreadsheet would evaluate.

    Example:
        >>> safe_cell("=1+1"), safe_cell("-0.5"), safe_cell(-0.5), safe_cell("liver")
        ("'=1+1", '-0.5', -0.5, 'liver')
    """
    if not isinstance(value, str) or not value.lstrip(_MARK).startswith(_FORMULA) or _is_number(value):
        return value
    return _MARK + value


def plain_cell(text: str) -> str:
    """Undo `safe_cell`."""
    return text[1:] if text.startswith(_MARK) and text.lstrip(_MARK).startswith(_FORMULA) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
