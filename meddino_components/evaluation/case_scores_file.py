"""Scores of a run as a CSV file, rewritten after each case and read back when a run is continued."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from ..files import ResultFiles, plain_cell, write_csv
from .case_scores import OrganScore

_FIRST, _LAST = ("case", "organ"), ("reference_ml", "prediction_ml")


def write_scores(
    path: Path, scores: Iterable[OrganScore], metrics: Sequence[str], *, overwrite: bool | None = None
) -> None:
    """Write one row per case and organ that was annotated in it; ``nan``: does not count, ``inf``: missed.

    Args:
        path: CSV file.
        scores: scores to write.
        metrics: names of the metrics, in the order of the columns.
        overwrite: whether a file that was edited since it was written may be replaced.

    Raises:
        InputError: the path holds a file of the user's, or one edited since, and ``overwrite`` is not true.
    """
    with (
        ResultFiles(overwrite=overwrite) as files,
        files.path(path).open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table: list[Sequence[str]] = [(*_FIRST, *metrics, *_LAST)]
        for s in scores:
            values = (*(s.values[name] for name in metrics), s.reference_ml, s.prediction_ml)
            table.append([s.case_id, s.organ, *(f"{value:.6g}" for value in values)])
        write_csv(file, table)


def read_scores(path: Path, organs: Collection[str], metrics: Sequence[str]) -> list[OrganScore]:
    """Read what ``write_scores`` wrote; nothing if there is no file.

    Args:
        path: CSV file.
        organs: names that may occur.
        metrics: names of the metrics that the columns must hold.

    Raises:
        InputError: the file is another one, or has other organs or metrics.
    """
    if not path.exists():
        return []
    columns = (*_FIRST, *metrics, *_LAST)
    scores = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if table.fieldnames is not None and set(table.fieldnames) != set(columns):
                raise ValueError(f"columns {table.fieldnames}")
            for row in table:
                names = plain_cell(row["case"]), plain_cell(row["organ"])
                values = {name: float(row[name]) for name in metrics}
                scores.append(OrganScore(*names, values, *(float(row[name]) for name in _LAST)))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: is not a table of scores with the columns {', '.join(columns)}. Move it away, or choose another "
            "output_dir"
        ) from error
    unknown = {s.organ for s in scores} - set(organs)
    if unknown:
        raise InputError(f"{path}: holds scores of other organs ({sorted(unknown)[0]}). Choose another output_dir")
    return scores
