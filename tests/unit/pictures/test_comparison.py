"""The legend and the rows of a comparison."""

import math

import numpy as np
import pytest

from meddino_components.pictures import comparison
from meddino_components.pictures.comparison import Legend, LegendLine, write_comparison


@pytest.fixture
def figure(monkeypatch):
    made = []
    monkeypatch.setattr(comparison, "save_figure", lambda figure, *rest, **settings: made.append(figure))
    return lambda: made[-1]


def draw(lines, **extra):
    labels = np.zeros((12, 10, 6), np.uint8)
    labels[3:8, 2:7, 1:5] = 1
    image = np.random.default_rng(0).normal(size=labels.shape)
    legend = Legend("Dice", lines)
    settings = {
        "image": image,
        "reference": labels,
        "prediction": labels.copy(),
        "spacing_mm": (1.0, 1.0, 2.0),
        **extra,
    }
    write_comparison("unused.png", legend=legend, title="case 7", **settings)


def test_scores_and_absent_structures(figure):
    draw([LegendLine((1,), "liver", "0.912", 0.912), LegendLine((2,), "spleen", "-", math.nan)])
    texts = [text.get_text() for text in figure().axes[-1].texts]
    assert [text for text in texts if text != "■"] == ["Dice", "liver", "0.912", "spleen", "absent"]
    assert "case 7" in [text.get_text() for text in figure().texts]


def test_of_many_structures_the_worst_are_listed(figure):
    ranks = np.random.default_rng(1).permutation(40) / 40
    draw([LegendLine((1,), f"organ {k}", f"{rank:.3f}", rank) for k, rank in enumerate(ranks)])
    texts = [text.get_text() for text in figure().axes[-1].texts]
    worst = [f"organ {k}" for k in sorted(np.argsort(ranks)[:24])]
    assert [text for text in texts if text.startswith("organ")] == worst
    assert texts[-1] == "and 16 more"


def test_two_lines_per_image(figure):
    image = np.random.default_rng(0).normal(size=(12, 10, 6))
    draw([LegendLine((1,), "liver", "1.000", 1.0)], image={"t1": image, "t2": -image})
    sides = [text for text in figure().texts if text.get_rotation() == 90]
    sides.sort(key=lambda text: -text.get_position()[1])
    assert [text.get_text() for text in sides] == ["reference", "prediction"] * 2


def test_a_structure_without_a_value_says_why(figure):
    draw([LegendLine((1,), "liver", "-", math.nan, "not annotated")])
    assert [text.get_text() for text in figure().axes[-1].texts][-1] == "not annotated"
