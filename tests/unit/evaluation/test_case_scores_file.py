"""Scores as CSV, there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from organ_scores import ORGANS, SCORES, values
from visible_files import visible

from meddino_components.errors import InputError
from meddino_components.evaluation import OrganScore
from meddino_components.evaluation.case_scores_file import read_scores, write_scores

METRICS = ["dice", "surface_dice_1mm", "hd95_mm"]


def test_names_that_are_formulas_are_written_as_text_and_read_as_they_were(tmp_path: Path) -> None:
    scores = [OrganScore("=1+1", "@organ", values(0.5, 1.0, 0.5), 1.0, 1.0)]
    write_scores(tmp_path / "metrics.csv", scores, METRICS)
    assert "\n'=1+1,'@organ,0.5," in (tmp_path / "metrics.csv").read_text(encoding="utf-8")
    assert read_scores(tmp_path / "metrics.csv", ["@organ"], METRICS) == scores


def test_table_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert read_scores(path, ORGANS, METRICS) == []
    write_scores(path, SCORES, METRICS)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert header == "case,organ,dice,surface_dice_1mm,hd95_mm,reference_ml,prediction_ml"
    assert repr(read_scores(path, ORGANS, METRICS)) == repr(SCORES)  # NaN is not equal to itself
    assert visible(tmp_path) == ["metrics.csv"]


def test_table_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("case,loss\na,1\n")
    with pytest.raises(InputError, match=r"metrics\.csv: is not a table of scores"):
        read_scores(path, ORGANS, METRICS)
    path.unlink()
    write_scores(path, SCORES, METRICS)
    with pytest.raises(InputError, match="other organs"):
        read_scores(path, ["liver", "gall bladder"], METRICS)


def test_table_of_other_metrics(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_scores(path, SCORES, METRICS)
    with pytest.raises(InputError, match=r"with the columns case, organ, dice, reference_ml"):
        read_scores(path, ORGANS, ["dice"])
