"""Candidates, and their Dice on a case made by hand."""

import math

import numpy as np
import pytest
from evaluated_cases import NAMES, predicted, reference

from meddino_components.data import brats_regions
from meddino_components.evaluation.postprocessing_candidates import LabelledCase, candidates, mean_dice
from meddino_components.inference import FillHoles, LargestComponent, SmallestSize

REGIONS = brats_regions("brats2023")


def case(prediction, expected, regions=None, annotated=None):
    return LabelledCase(
        prediction=prediction,
        reference=expected,
        spacing_mm=[2.0, 2.0, 5.0],
        label_names=NAMES,
        regions=regions,
        case_id="a",
        annotated=annotated,
    )


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_candidates_begin_with_single_steps():
    found = candidates([0.5])
    one = SmallestSize(volume_ml=0.5)
    assert found == [
        (FillHoles(),),
        (LargestComponent(),),
        (one,),
        (LargestComponent(), FillHoles()),
        (one, FillHoles()),
    ]


def test_dice_before_and_after_steps():
    before, after = predicted(), predicted()
    found = case(before, reference()).dice({})
    assert found == pytest.approx({n: dice(before == k, reference() == k) for k, n in enumerate(NAMES) if k})
    after[14:17, 15:18, 2:5] = 0
    found = case(before, reference()).dice({"liver": (LargestComponent(),)})
    assert found["liver"] == pytest.approx(dice(after == 1, reference() == 1))
    assert (before == predicted()).all()
    assert case(before, reference()).dice({"liver": (LargestComponent(), FillHoles())})["liver"] == 1


def test_each_candidate_is_tried_for_each_organ():
    tried = [(), (LargestComponent(),), (SmallestSize(volume_ml=0.1),)]
    found = case(predicted(), reference()).dice_of_candidates(tried)
    assert list(found) == ["liver", "spleen"]
    assert found["liver"][0] < found["liver"][1]
    # the largest component of the spleen lacks its second part, the smallest size only the speck
    assert found["spleen"][2] == 1 > found["spleen"][0] > found["spleen"][1]


def test_an_organ_that_the_reference_lacks_does_not_count():
    expected = reference()
    expected[expected == 2] = 0
    assert math.isnan(case(predicted(), expected).dice({})["spleen"])


def test_what_was_not_annotated_has_no_dice():
    expected = reference()
    expected[expected == 2] = 0
    partial = case(predicted(), expected, annotated=[True, True, False])
    assert list(partial.dice({})) == ["liver"]
    assert list(partial.dice_of_candidates([(), (FillHoles(),)])) == ["liver"]


def test_regions_are_tried_one_by_one_and_empty_ones_count():
    expected = np.zeros((10, 10, 10), np.uint8)
    expected[2:8, 2:8, 2:8] = 2
    predicted_labels = expected.copy()
    predicted_labels[4, 4, 4] = 3  # an enhancing voxel that is not there
    found = case(predicted_labels, expected, REGIONS).dice_of_candidates([(), (SmallestSize(volume_ml=0.1),)])
    names = REGIONS.names
    assert found[names[0]] == [1, 1]
    # removed from the core alone, the voxel is part of the whole; removed from the enhancing part, still of the core
    assert found[names[1]] == found[names[2]] == [0, 1]


def test_the_mean_is_over_the_cases_that_count():
    cases = [{"liver": 0.5}, {"liver": 1.0, "spleen": math.nan}, {"liver": math.nan}, {}]
    assert mean_dice(cases, "liver") == (0.75, 2)
    assert math.isnan(mean_dice(cases, "spleen")[0])
    assert mean_dice(cases, "spleen")[1] == 0
