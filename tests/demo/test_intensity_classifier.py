"""The classifier of intensities on planted data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from intensity_classifier import IntensityClassifier
from planted_organs import dice, planted


def test_intensity_finds_what_intensity_tells() -> None:
    classifier = IntensityClassifier(n_labels=4).fit([planted(s) for s in range(2)])
    case = planted(5)
    predicted = classifier.predict(case)
    assert dice(predicted, case, 1) > 0.99
    # the spleen looks like its surroundings: all of these voxels is the best that can be said
    rest = int((case["label"] != 1).sum())
    spleen = int((case["label"] == 2).sum())
    assert dice(predicted, case, 2) == pytest.approx(2 * spleen / (rest + spleen), rel=0.12)


def test_weights_beat_the_rule_with_the_fewest_errors() -> None:
    """With natural priors a rare organ that overlaps with background is never predicted: Dice 0."""
    rng = np.random.default_rng(0)
    image = rng.normal(0, 10, (1, 40, 40, 20)).astype(np.float32)
    label = np.zeros(image.shape, np.uint8)
    label[:, 4:10, 4:10, 4:10] = 1
    image[label == 1] += 12
    case = {"image": torch.from_numpy(image), "label": torch.from_numpy(label)}
    classifier = IntensityClassifier(n_labels=2).fit([case])
    assert classifier.weights[1] > classifier.weights[0]
    predicted = classifier.predict(case) == 1
    hits = (predicted & (label[0] == 1)).sum()
    assert 2 * hits / (predicted.sum() + label.sum()) == pytest.approx(classifier.training_dice)
    assert classifier.training_dice > 0.1


def test_nothing_labelled() -> None:
    case = {key: torch.zeros(1, 4, 4, 4) for key in ("image", "label")}
    with pytest.raises(ValueError, match="no labelled voxel"):
        IntensityClassifier(n_labels=2).fit([case])
