"""Scores of probes on the patches and vectors of labelled slices.

Shapes: N patches, S slices, K classes (0 is background).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ...errors import InputError
from ...features.patch_features import SliceFeatures
from ..probes.probe import LabelledFeatures, Metric, Probe
from ..statistics.class_counts import ClassCounts, balanced_accuracy, count_classes, mean_auc, organ_score

SliceVector = Literal["cls", "mean_patch"]


@dataclass(frozen=True, kw_only=True)
class SplitFeatures:
    """Features of one encoder.

    Attributes:
        training: features of the slices from which probes learn.
        test: features of the slices on which probes are scored.
        n_classes: number K of classes.
        metric: measure by which the encoder's vectors are compared.
    """

    training: SliceFeatures
    test: SliceFeatures
    n_classes: int
    metric: Metric = "cosine"


def patch_scores(probe: Probe, features: SplitFeatures) -> Tensor:
    """A probe's scores [N, K] of the labelled patches of the test slices.

    Raises:
        InputError: the slices have no labels, or no patch has one.
    """
    vectors, labels, _ = features.training.labelled_patches()
    test_vectors, test_labels, _ = features.test.labelled_patches()
    if not len(labels) or not len(test_labels):
        raise InputError("no patch of the reference slices has a label: lower min_purity or choose other slices")
    return _scores(probe, vectors, labels, test_vectors, features.n_classes, features.metric)


def patch_counts(scores: Tensor, features: SplitFeatures) -> ClassCounts:
    """Counts [U, K] of the patches' predicted and true classes, from the scores of `patch_scores`.

    Units are in ascending order; units without a labelled patch are left out.
    """
    _, labels, units = features.test.labelled_patches()
    numbers = units.unique(return_inverse=True)[1]
    return count_classes(scores.argmax(1), labels, n_classes=features.n_classes, units=numbers)


def slice_auc(probe: Probe, features: SplitFeatures, *, vector: SliceVector) -> float:
    """Mean AUC of which organs a slice shows, over the organs that some training and some test slices lack.

    Returns:
        the mean, or NaN if there is no such organ.

    Raises:
        InputError: the slices have no labels.
    """
    training, test = features.training, features.test
    if training.presence is None or test.presence is None:
        raise InputError("these slices have no labels: give cases with label files")
    # nothing can be learnt about an organ that all training slices show, or none
    varies = training.presence.any(0) & ~training.presence.all(0)
    if not bool(varies.any()):
        return float("nan")
    labels = training.presence[:, varies]
    vectors, test_vectors = getattr(training, vector), getattr(test, vector)
    scores = _scores(probe, vectors, labels, test_vectors, labels.shape[1], features.metric)
    return mean_auc(scores, test.presence[:, varies])


def feature_scores(features: SplitFeatures, probes: Sequence[Probe]) -> dict[str, float]:
    """All scores of one encoder on held-out slices; scores that these slices cannot give are left out.

    Returns:
        ``patch_<probe>_organ_score`` (mean F1 over organs), ``patch_<probe>_balanced_accuracy``,
        ``slice_<vector>_<probe>_auc``; ``<probe>`` is the probe's name, ``<vector>`` ``cls`` or ``mean_patch``.
    """
    scores: dict[str, float] = {}
    for probe in probes:
        scores |= probe_scores(probe, patch_scores(probe, features), features)
    return scores


def probe_scores(probe: Probe, of_patches: Tensor, features: SplitFeatures) -> dict[str, float]:
    """The part of `feature_scores` that one probe gives; ``of_patches`` are its `patch_scores`."""
    total = patch_counts(of_patches, features).total()
    scores = {
        f"patch_{probe.name}_organ_score": float(organ_score(total)),
        f"patch_{probe.name}_balanced_accuracy": float(balanced_accuracy(total)),
    }
    vectors: tuple[SliceVector, ...] = ("cls", "mean_patch")
    for vector in vectors:
        scores[f"slice_{vector}_{probe.name}_auc"] = slice_auc(probe, features, vector=vector)
    return {key: score for key, score in scores.items() if math.isfinite(score)}


def _scores(probe: Probe, training: Tensor, labels: Tensor, test: Tensor, n_classes: int, metric: Metric) -> Tensor:
    features = LabelledFeatures(
        vectors={"train": training, "test": test}, targets={"train": labels}, n_classes=n_classes, metric=metric
    )
    return probe.score(features).scores
