"""The published rule of averaging against a table computed by hand."""

from __future__ import annotations

import json
import math

import pytest
from organ_scores import ORGANS, SCORES

from meddino_components.evaluation import PUBLISHED_METRICS, Dice, HausdorffDistance, summarize
from meddino_components.evaluation.summary import case_means, without_nan


def test_cases_first_then_organs() -> None:
    summary = summarize(SCORES, ORGANS, PUBLISHED_METRICS)
    assert summary.means["dice"] == pytest.approx((0.7 + 0.3) / 2)  # over all rows it would be 0.54
    assert summary.means["surface_dice_1mm"] == pytest.approx((0.5 + 0.2) / 2)
    assert summary.means["hd95_mm"] == pytest.approx((6.0 + 2.0) / 2)  # the missed gall bladder is left out


def test_organs() -> None:
    organs = summarize(SCORES, ORGANS, PUBLISHED_METRICS).organs
    gall_bladder = organs["gall bladder"]
    assert (gall_bladder.n, gall_bladder.n_missed, gall_bladder.n_predicted_where_absent) == (2, 1, 1)
    assert tuple(gall_bladder.values[name].n for name in ("dice", "hd95_mm")) == (2, 1)
    assert (gall_bladder.reference_ml, gall_bladder.prediction_ml) == (25, 12.5)
    assert organs["liver"].values["dice"].median == 0.7
    assert organs["bladder"].n == 0
    assert math.isnan(organs["bladder"].values["dice"].mean)


def test_json_has_no_nan() -> None:
    text = json.dumps(summarize(SCORES, ORGANS, PUBLISHED_METRICS).as_dict(), allow_nan=False)
    assert json.loads(text)["organs"]["bladder"]["dice"] == {"mean": None, "median": None, "n": 0}
    assert (
        json.loads(json.dumps(summarize([], ORGANS, PUBLISHED_METRICS).as_dict(), allow_nan=False))["mean_dice"] is None
    )


def test_means_of_cases() -> None:
    assert case_means(SCORES, Dice()) == pytest.approx({"a": 0.45, "b": 0.7, "c": 0.55})


def test_a_missed_organ_makes_the_mean_distance_of_its_case_infinite() -> None:
    assert case_means(SCORES, HausdorffDistance()) == {"a": math.inf, "b": 8.0, "c": 4.0}


def test_cases_in_which_an_organ_was_annotated_are_counted():
    scores = [score for score in SCORES if (score.case_id, score.organ) != ("a", "liver")]
    summary = summarize(scores, ORGANS, PUBLISHED_METRICS)
    assert (summary.organs["liver"].n_annotated, summary.organs["liver"].n) == (2, 2)
    assert summary.organs["gall bladder"].n_annotated == 3
    assert summary.as_dict()["organs"]["bladder"]["n_annotated"] == 3


def test_numbers_that_are_not_finite_are_null_in_json():
    plain = {"a": math.nan, "b": [{"c": math.inf}, 2.0], "d": "text", "e": None}
    assert without_nan(plain) == {"a": None, "b": [{"c": None}, 2.0], "d": "text", "e": None}
