"""What the plots hold: their dots, and the bias of volumes."""

import math

import numpy as np
import pytest
from organ_scores import ORGANS, SCORES

from meddino_components.evaluation import Dice, HausdorffDistance
from meddino_components.evaluation import report_figures as plots


@pytest.fixture
def figure(monkeypatch):
    made = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, *rest, **settings: made.append(figure))
    return lambda: made[-1]


@pytest.mark.parametrize(
    ("metric", "liver", "bladder", "limits"),
    [(Dice(), [0.9, 0.7, 0.5], [0, 0.6], (-0.02, 1.02)), (HausdorffDistance(), [4, 8, 6], [2], None)],
)
def test_one_dot_per_case_that_has_a_value(figure, metric, liver, bladder, limits):
    assert plots.score_plot(SCORES, ORGANS, metric) is not None
    axes = figure().axes[0]
    assert [dots.get_offsets()[:, 0].tolist() for dots in axes.collections] == [liver, bladder]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"liver ({len(liver)})", f"gall bladder ({len(bladder)})"]
    assert axes.get_xlabel().startswith(metric.heading)
    assert limits is None or axes.get_xlim() == limits


def test_nothing_to_plot():
    assert plots.score_plot([s for s in SCORES if s.organ == "bladder"], ORGANS, Dice()) is None
    assert plots.volume_plot([s for s in SCORES if s.organ == "bladder"], ORGANS) is None


def test_bias_and_limits_of_agreement(figure):
    plots.volume_plot(SCORES, ORGANS)
    right = figure().axes[1]
    differences = [200 * (p - r) / (p + r) for r, p in ((1500, 1400), (1300, 1600), (1100, 900), (20, 0), (30, 25))]
    bias, spread = np.mean(differences), 1.96 * np.std(differences)
    heights = [line.get_ydata()[0] for line in right.lines]
    assert heights == pytest.approx([bias, bias - spread, bias + spread])
    assert f"bias {bias:+.1f} %" in right.get_title()
    assert not math.isnan(bias)
