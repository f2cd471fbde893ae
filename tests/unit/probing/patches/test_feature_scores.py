"""Planted organs are found, noise is not."""

import math

import pytest
import torch
from planted_slices import N_CLASSES, PATCH, planted_slices

from meddino_components.embeddings import pixel_encoder
from meddino_components.errors import InputError
from meddino_components.features.patch_features import extract_features
from meddino_components.probing.patches.feature_scores import feature_scores, patch_counts, slice_auc
from meddino_components.probing.probes.probe import linear_probe, nearest_neighbour_probe
from meddino_components.probing.statistics.class_counts import organ_score


def features(seed, contrast=3.0, n=8, background=True):
    slices = planted_slices(n, seed=seed, contrast=contrast)
    encoder = pixel_encoder(patch_size=PATCH, side=2)
    return extract_features(
        encoder, slices, patch_size=PATCH, n_classes=N_CLASSES, include_background=background
    )  # fmt: skip


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("probe", [nearest_neighbour_probe(n_neighbours=5, metric="euclidean", weights="distance"),
                                   linear_probe(l2=0.01)])  # fmt: skip
def test_planted_organs(probe, background):
    def score(contrast):
        training, test = features(0, contrast, background=background), features(1, contrast, background=background)
        return float(organ_score(patch_counts(probe, training, test, n_classes=N_CLASSES).total()))

    assert score(3.0) > 0.95
    assert score(0.0) < 0.6


def test_all_scores():
    scores = feature_scores(features(0), features(1), n_classes=N_CLASSES, n_neighbours=5)
    assert set(scores) == {
        f"{name}_{probe}_{what}" if name == "patch" else f"{name}_{probe}_auc"
        for probe in ("knn", "linear")
        for name in ("patch", "slice_cls", "slice_mean_patch")
        for what in ("organ_score", "balanced_accuracy")
    }
    assert all(0 <= score <= 1 for score in scores.values())
    assert scores["patch_linear_organ_score"] > 0.9


def test_what_does_not_vary_is_left_out():
    """With one slice to learn from, no organ is lacking in one and present in another."""
    training = features(0, n=1)
    assert math.isnan(slice_auc(linear_probe(), training, features(1), vector="cls", n_classes=N_CLASSES))
    assert not any(name.startswith("slice") for name in feature_scores(training, features(1), n_classes=N_CLASSES))


def test_units_are_those_of_slices_with_organs():
    counts = patch_counts(linear_probe(), features(0), features(1), n_classes=N_CLASSES)
    assert counts.actual.shape == (8, N_CLASSES)
    assert counts.actual.sum(1).tolist() == [16] * 8


def test_nothing_to_score():
    empty = extract_features(
        pixel_encoder(patch_size=PATCH),
        [{"image": torch.zeros(1, 64, 64), "label": torch.zeros(1, 64, 64)}],
        patch_size=PATCH,
        n_classes=N_CLASSES,
    )
    with pytest.raises(InputError, match="no patch"):
        patch_counts(linear_probe(), empty, empty, n_classes=N_CLASSES)
