"""What an empty mask counts, how values are ranked and shown, and which lists of metrics are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from monai.metrics import DiceMetric

from meddino_components.errors import InputError
from meddino_components.evaluation import AbsentRule, Dice, HausdorffDistance, SegmentationMetric, SurfaceDice
from meddino_components.evaluation.metrics import check_metrics


class Error(SegmentationMetric):
    name, title, unit, higher_is_better = "error_ml", "error", "ml", False

    def __call__(self, prediction, reference, spacing_mm):
        return 1.0


@pytest.mark.parametrize(
    ("metric", "best", "missed", "penalty"),
    [
        (Dice(), 1, 0, 0),
        (SurfaceDice(), 1, 0, 0),
        (HausdorffDistance(), 0, math.inf, math.hypot(240, 240, 155)),
        (Error(), 0, math.inf, math.inf),
    ],
)
def test_empty_masks(metric, best, missed, penalty):
    none = {"predicted": False, "expected": False}
    false_alarm, miss = none | {"predicted": True}, none | {"expected": True}
    expected = {
        AbsentRule.LEAVE_OUT: (math.nan, math.nan, missed),
        AbsentRule.NNUNET: (math.nan, missed, missed),
        AbsentRule.BRATS: (best, penalty, penalty),
    }
    for rule, values in expected.items():
        found = [metric.of_empty(**masks, absent=rule) for masks in (none, false_alarm, miss)]
        np.testing.assert_equal(found, values)


def test_the_worst_value_has_the_lowest_rank():
    assert min([0.2, 0.9], key=Dice().rank) == 0.2
    assert min([2.0, math.inf, 9.0], key=HausdorffDistance().rank) == math.inf


def test_a_ratio_has_three_decimals_and_a_quantity_one():
    assert (Dice().heading, Dice().text(0.51249)) == ("Dice", "0.512")
    assert (HausdorffDistance().heading, HausdorffDistance().text(4.55)) == ("HD95 (mm)", "4.5")
    assert (Dice().text(math.nan), HausdorffDistance().text(math.inf)) == ("-", "missed")


class Reserved(Dice):
    name = "reference_ml"


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ([], "metrics is empty"),
        (
            [Dice(), DiceMetric()],
            "metrics holds DiceMetric; expected a meddino_components.evaluation.SegmentationMetric",
        ),
        ([Dice], "metrics holds Dice;"),
        ([SurfaceDice(), SurfaceDice(tolerance_mm=1)], "the name 'surface_dice_1mm' is taken"),
        ([Reserved()], "the name 'reference_ml' is taken"),
    ],
)
def test_lists_that_are_refused(metrics, words):
    with pytest.raises(InputError, match=words):
        check_metrics(metrics)
