"""What is handed to the drawing of a comparison."""

import math

import numpy as np
import pytest

from meddino_components.data import brats_regions
from meddino_components.errors import InputError
from meddino_components.evaluation import ComparisonPictures, HausdorffDistance, OrganScore
from meddino_components.evaluation.scored_case import ScoredCase

LABELS = np.zeros((6, 5, 4), np.uint8)
LABELS[1:3, 1:3, 1:3], LABELS[4, 4, 3] = 2, 4
CASE = ScoredCase("a", np.arange(2.0)[:, None, None, None] * np.ones((1, 6, 5, 4)), LABELS, LABELS, [1, 1, 1], "PLS")
SCORES = [OrganScore("a", name, {"hd95_mm": value}, 1.0, 1.0) for name, value in zip("xyz", (3, 5, 7), strict=True)]


@pytest.fixture
def drawn(monkeypatch):
    calls = []
    monkeypatch.setattr("meddino_components.pictures.comparison.write_comparison", lambda *a, **k: calls.append(k))
    return calls


def test_one_channel_is_drawn_by_its_name(drawn, tmp_path):
    pictures = ComparisonPictures(channel_names=["t1", "t2"], shown_channels=["t2"], n_pictures=1)
    pictures.draw(pictures.path(tmp_path, "a"), CASE, SCORES, HausdorffDistance())
    (call,) = drawn
    assert (call["image"] == 1).all()
    assert call["title"] == "a   mean HD95 (mm) 5.0"
    assert [(tuple(line.labels), line.value, line.rank) for line in call["legend"].lines] == [
        ((1,), "3.0", -3), ((2,), "5.0", -5), ((3,), "7.0", -7)
    ]  # fmt: skip


def test_regions_are_drawn_as_the_innermost_one(drawn, tmp_path):
    regions = brats_regions("brats2021")
    ComparisonPictures().draw(tmp_path / "a.png", CASE, SCORES, HausdorffDistance(), regions)
    (call,) = drawn
    numbers = [line.labels[0] for line in call["legend"].lines]
    # edema is the whole tumour alone, the enhancing part the innermost
    assert set(np.unique(call["reference"])) == {0, numbers[0], numbers[2]}
    assert [len(line.labels) for line in call["legend"].lines] == [3, 2, 1]


def test_a_case_that_counts_for_nothing_has_no_mean(drawn, tmp_path):
    scores = [OrganScore("a", "x", {"hd95_mm": math.nan}, 0.0, 1.0)]
    ComparisonPictures().draw(tmp_path / "a.png", CASE, scores, HausdorffDistance())
    assert drawn[0]["title"] == "a"
    assert math.isnan(drawn[0]["legend"].lines[0].rank)


def test_a_channel_that_is_not_there():
    with pytest.raises(InputError, match="shown_channels names 'pd'"):
        ComparisonPictures(channel_names=["t1"], shown_channels=["pd"])


@pytest.fixture
def drawn_with(drawn, tmp_path):
    """Draw a case of which only organ y (label 2) was annotated; returns the legend and what was drawn."""

    def draw(reference):
        case = ScoredCase("a", np.ones((1, 6, 5, 4)), reference, LABELS, [1, 1, 1], "PLS")
        scores = [OrganScore("a", "y", {"hd95_mm": math.nan}, 0.0, 1.0)]
        ComparisonPictures().draw(tmp_path / "a.png", case, scores, HausdorffDistance(), names=["x", "y", "z", "w"])
        return [(tuple(line.labels), line.name, line.without_value) for line in drawn[0]["legend"].lines], drawn[0]

    return draw


def test_voxels_that_nobody_annotated_look_the_same_in_both_rows(drawn_with):
    lines, call = drawn_with(np.where(LABELS == 4, 255, LABELS))
    assert lines == [((2,), "y", "absent"), ((255,), "not annotated", "")]
    for row in ("reference", "prediction"):
        assert np.unique(call[row]).tolist() == [0, 2, 255]
        np.testing.assert_array_equal(call[row] == 255, LABELS == 4)


def test_an_organ_that_was_not_annotated_is_drawn_where_it_was_predicted(drawn_with):
    lines, _ = drawn_with(np.where(LABELS == 4, 0, LABELS))
    assert lines == [((2,), "y", "absent"), ((4,), "w", "not annotated")]
