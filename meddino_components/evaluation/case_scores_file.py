"""The scores of a run as a CSV file: written anew after each case, read back when a run is taken up again."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from ..files import ResultFiles, plain_cell, write_csv
from .case_scores import OrganScore

COLUMNS = ("case", "organ", "dice", "hd95_mm", "surface_dice_1mm", "reference_ml", "prediction_ml")


def write_scores(path: Path, scores: Iterable[OrganScore], *, overwrite: bool | None = None) -> None:
    """Write one row an organ and case; ``nan``: does not count, ``inf``: missed altogether.

    Raises:
        InputError: a file of the user's is there, or one that was edited since and ``overwrite`` is not true.
    """
    with (
        ResultFiles(overwrite=overwrite) as files,
        files.path(path).open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table: list[Sequence[str]] = [COLUMNS]
        for s in scores:
            values = (s.dice, s.hd95_mm, s.surface_dice, s.reference_ml, s.prediction_ml)
            table.append([s.case_id, s.organ, *(f"{value:.6g}" for value in values)])
        write_csv(file, table)


def read_scores(path: Path, organs: Collection[str]) -> list[OrganScore]:
    """Read what ``write_scores`` wrote; nothing where there is no file.

    Raises:
        InputError: the file is another one, or of other organs.
    """
    if not path.exists():
        return []
    scores = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                names = plain_cell(row["case"]), plain_cell(row["organ"])
                scores.append(OrganScore(*names, *(float(row[name]) for name in COLUMNS[2:])))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not a table of scores with the columns {', '.join(COLUMNS)}. Move it away") from (
            error
        )
    unknown = {s.organ for s in scores} - set(organs)
    if unknown:
        raise InputError(f"{path}: holds scores of other organs ({sorted(unknown)[0]}). Choose another output_dir")
    return scores
