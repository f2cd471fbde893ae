"""Tables of labels as people save them: with a byte order mark, with semicolons, with columns too many."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ..cases.patients import PATIENT_KEYS, patient_of_name

_DELIMITERS = ",;\t"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        number: number of its line in the file, the header being 1.
        cells: by column, those that were asked for, without blanks around.
    """

    number: int
    cells: dict[str, str]


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a CSV file; columns are divided by what gives the header most of them: comma, semicolon or tab.

    Args:
        path: UTF-8, with or without a byte order mark.
        columns: those that are needed; others may be there.

    Raises:
        InputError: no such file, another encoding, a column that is missing or there twice, an empty cell, no rows.
    """
    header, lines = _read_lines(path)
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(map(repr, missing))}. The columns are {', '.join(map(repr, header))}."
        )
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise InputError(f"{path}: the column {twice[0]!r} is there twice. Rename or remove one of them.")
    place = {column: header.index(column) for column in columns}
    rows = []
    for number, line in lines:
        cells = {column: line[k].strip() if k < len(line) else "" for column, k in place.items()}
        if empty := [column for column, text in cells.items() if not text]:
            raise InputError(f"{path}: row {number}: column {empty[0]!r} is empty. Fill it in or remove the row.")
        rows.append(Row(number=number, cells=cells))
    if not rows:
        raise InputError(f"{path}: no row below the header. Download or write it again.")
    return rows


def find_patient_column(path: Path, stated: str | None) -> str | None:
    """The column of patients: the stated one, else one that is called so; None where there is none.

    Raises:
        InputError: no such file, another encoding, or both ``patient`` and ``patient_id`` and none stated.
    """
    found = [name for name in _read_lines(path)[0] if name in PATIENT_KEYS]
    if stated is None and len(found) > 1:
        raise InputError(f"{path}: has the columns {' and '.join(found)}. Set patient_column to the one that is meant.")
    return stated or next(iter(found), None)


def patient_in(row: Row, column: str | None, name_column: str) -> str:
    """The patient of a row: by its column, else by what the name of its file says, see `patient_of_name`."""
    if column is not None:
        return row.cells[column]
    path = row.cells[name_column]
    name = Path(path).name.split(".")[0]
    patient = patient_of_name(name)
    return path if patient == name else patient


def read_list(path: Path) -> list[str]:
    """The lines of a text file, without empty ones.

    Raises:
        InputError: no such file, or not text.
    """
    return [line.strip() for line in _read_text(path).splitlines() if line.strip()]


def flag(row: Row, column: str, path: Path) -> int:
    """A cell that says 0 or 1.

    Raises:
        InputError: it says something else.
    """
    try:
        value = float(row.cells[column])
    except ValueError:
        value = -1.0
    if value not in (0, 1):
        raise InputError(
            f"{path}: row {row.number}: {column!r} is {row.cells[column]!r}; expected 0 or 1. Decide what uncertain "
            "labels count as, and write that."
        )
    return int(value)


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    text = _read_text(path)
    first = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=lambda d: len(next(csv.reader([first], delimiter=d), [])))
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        lines = [(reader.line_num, line) for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as a table ({error}). Write it as CSV again.") from error
    if not lines:
        raise InputError(f"{path}: is empty; expected a table with a header. Download or write it again.")
    return [name.strip() for name in lines[0][1]], lines[1:]


def _read_text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:  # all line ends become \n
            return file.read()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file. Check the path, or download it.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}). Save it as UTF-8.") from error
