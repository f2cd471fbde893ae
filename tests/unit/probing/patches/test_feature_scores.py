"""Planted organs are found, noise is not."""

import math

import pytest
import torch
from planted_slices import N_CLASSES, PATCH, planted_slices

from meddino_components.embeddings import pixel_encoder
from meddino_components.errors import InputError
from meddino_components.features.patch_features import extract_features
from meddino_components.probing import KNearestNeighbours, LogisticRegression
from meddino_components.probing.patches.feature_scores import (
    SplitFeatures,
    feature_scores,
    patch_counts,
    patch_scores,
    slice_auc,
)
from meddino_components.probing.statistics.class_counts import organ_score


def features(seed, contrast=3.0, n=8, background=True):
    slices = planted_slices(n, seed=seed, contrast=contrast)
    encoder = pixel_encoder(patch_size=PATCH, side=2)
    return extract_features(
        encoder, slices, patch_size=PATCH, n_classes=N_CLASSES, include_background=background
    )  # fmt: skip


def split(training, test, metric="cosine"):
    return SplitFeatures(training=training, test=test, n_classes=N_CLASSES, metric=metric)


def counts(probe, features):
    return patch_counts(patch_scores(probe, features), features)


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("probe", [KNearestNeighbours(n_neighbours=5), LogisticRegression(l2=0.01)])
def test_planted_organs(probe, background):
    def score(contrast):
        sides = (features(seed, contrast, background=background) for seed in (0, 1))
        return float(organ_score(counts(probe, split(*sides, metric="euclidean")).total()))

    assert score(3.0) > 0.95
    assert score(0.0) < 0.6


def test_all_scores():
    scores = feature_scores(split(features(0), features(1)), [KNearestNeighbours(n_neighbours=5), LogisticRegression()])
    assert set(scores) == {
        f"{name}_{probe}_{what}" if name == "patch" else f"{name}_{probe}_auc"
        for probe in ("knn", "logistic")
        for name in ("patch", "slice_cls", "slice_mean_patch")
        for what in ("organ_score", "balanced_accuracy")
    }
    assert all(0 <= score <= 1 for score in scores.values())
    assert scores["patch_logistic_organ_score"] > 0.9


def test_what_does_not_vary_is_left_out():
    """With one slice to learn from, no organ is lacking in one and present in another."""
    found = split(features(0, n=1), features(1))
    assert math.isnan(slice_auc(LogisticRegression(), found, vector="cls"))
    assert not any(name.startswith("slice") for name in feature_scores(found, [LogisticRegression()]))


def test_units_are_those_of_slices_with_organs():
    found = counts(LogisticRegression(), split(features(0), features(1)))
    assert found.actual.shape == (8, N_CLASSES)
    assert found.actual.sum(1).tolist() == [16] * 8


def test_nothing_to_score():
    empty = extract_features(
        pixel_encoder(patch_size=PATCH),
        [{"image": torch.zeros(1, 64, 64), "label": torch.zeros(1, 64, 64)}],
        patch_size=PATCH,
        n_classes=N_CLASSES,
    )
    with pytest.raises(InputError, match="no patch"):
        patch_scores(LogisticRegression(), split(empty, empty))
