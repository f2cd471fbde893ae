"""The published rule of averaging against a table computed by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from visible_files import visible

from meddino_components.errors import InputError
from meddino_components.evaluation import OrganScore, summarize
from meddino_components.evaluation.case_scores_file import read_scores, write_scores
from meddino_components.evaluation.summary import case_means

NAN, INF = math.nan, math.inf
SCORES = [
    OrganScore("a", "liver", 0.9, 4.0, 0.8, 1500.0, 1400.0),
    OrganScore("b", "liver", 0.7, 8.0, 0.6, 1300.0, 1600.0),
    OrganScore("c", "liver", 0.5, 6.0, 0.1, 1100.0, 900.0),
    OrganScore("a", "gall bladder", 0.0, INF, 0.0, 20.0, 0.0),
    OrganScore("b", "gall bladder", NAN, NAN, NAN, 0.0, 3.0),
    OrganScore("c", "gall bladder", 0.6, 2.0, 0.4, 30.0, 25.0),
    OrganScore("a", "bladder", NAN, NAN, NAN, 0.0, 0.0),
    OrganScore("b", "bladder", NAN, NAN, NAN, 0.0, 0.0),
    OrganScore("c", "bladder", NAN, NAN, NAN, 0.0, 0.0),
]
ORGANS = ["liver", "gall bladder", "bladder"]


def test_cases_first_then_organs() -> None:
    summary = summarize(SCORES, ORGANS)
    assert summary.mean_dice == pytest.approx((0.7 + 0.3) / 2)  # over all rows it would be 0.54
    assert summary.mean_surface_dice == pytest.approx((0.5 + 0.2) / 2)
    assert summary.mean_hd95_mm == pytest.approx((6.0 + 2.0) / 2)  # the missed gall bladder is left out


def test_names_that_are_formulas_are_written_as_text_and_read_as_they_were(tmp_path: Path) -> None:
    scores = [OrganScore("=1+1", "@organ", 0.5, 1.0, 0.5, 1.0, 1.0)]
    write_scores(tmp_path / "metrics.csv", scores)
    assert "\n'=1+1,'@organ,0.5," in (tmp_path / "metrics.csv").read_text(encoding="utf-8")
    assert read_scores(tmp_path / "metrics.csv", ["@organ"]) == scores


def test_organs() -> None:
    organs = summarize(SCORES, ORGANS).organs
    gall_bladder = organs["gall bladder"]
    assert (gall_bladder.n, gall_bladder.n_missed, gall_bladder.n_predicted_where_absent) == (2, 1, 1)
    assert (gall_bladder.dice.n, gall_bladder.hd95_mm.n) == (2, 1)
    assert (gall_bladder.reference_ml, gall_bladder.prediction_ml) == (25, 12.5)
    assert organs["liver"].dice.median == 0.7
    assert organs["bladder"].n == 0
    assert math.isnan(organs["bladder"].dice.mean)


def test_json_has_no_nan() -> None:
    text = json.dumps(summarize(SCORES, ORGANS).as_dict(), allow_nan=False)
    assert json.loads(text)["organs"]["bladder"]["dice"] == {"mean": None, "median": None, "n": 0}
    assert json.loads(json.dumps(summarize([], ORGANS).as_dict(), allow_nan=False))["mean_dice"] is None


def test_means_of_cases() -> None:
    assert case_means(SCORES) == pytest.approx({"a": 0.45, "b": 0.7, "c": 0.55})


def test_table_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert read_scores(path, ORGANS) == []
    write_scores(path, SCORES)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert header == "case,organ,dice,hd95_mm,surface_dice_1mm,reference_ml,prediction_ml"
    assert repr(read_scores(path, ORGANS)) == repr(SCORES)  # NaN is not equal to itself
    assert visible(tmp_path) == ["metrics.csv"]


def test_table_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("case,loss\na,1\n")
    with pytest.raises(InputError, match=r"metrics\.csv: is not a table of scores"):
        read_scores(path, ORGANS)
    path.unlink()
    write_scores(path, SCORES)
    with pytest.raises(InputError, match="other organs"):
        read_scores(path, ["liver", "gall bladder"])
