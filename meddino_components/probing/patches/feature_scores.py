"""What k-NN and a linear probe find in the features of labelled slices.

Shapes: N patches, S slices, K classes (0 is background).
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from ...errors import InputError
from ...features.patch_features import SliceFeatures
from ..probes.probe import Probe, both_probes
from ..statistics.class_counts import ClassCounts, balanced_accuracy, count_classes, mean_auc, organ_score

SliceVector = Literal["cls", "mean_patch"]


def patch_scores(probe: Probe, training: SliceFeatures, test: SliceFeatures, *, n_classes: int) -> Tensor:
    """A probe's scores [N, K] of the test slices' labelled patches.

    Raises:
        InputError: slices without labels, or no patch with one.
    """
    features, labels, _ = training.labelled_patches()
    test_features, test_labels, _ = test.labelled_patches()
    if not len(labels) or not len(test_labels):
        raise InputError("no patch of the reference slices has a label: lower min_purity or choose other slices")
    return probe(features, labels, test_features, n_classes)


def patch_counts(probe: Probe, training: SliceFeatures, test: SliceFeatures, *, n_classes: int) -> ClassCounts:
    """Predict the labels of the test slices' patches and count by unit: the input of scores and of the bootstrap.

    Returns:
        counts [units, K], in the order of the units; those without a labelled patch are left out.

    Raises:
        InputError: slices without labels, or no patch with one.
    """
    predicted = patch_scores(probe, training, test, n_classes=n_classes).argmax(1)
    _, labels, units = test.labelled_patches()
    return count_classes(predicted, labels, n_classes=n_classes, units=units.unique(return_inverse=True)[1])


def slice_auc(
    probe: Probe, training: SliceFeatures, test: SliceFeatures, *, vector: SliceVector, n_classes: int
) -> float:
    """Mean AUC of which organs a slice shows, over the organs that some training and some test slices lack.

    Returns:
        NaN where there is no such organ.

    Raises:
        InputError: slices without labels.
    """
    if training.presence is None or test.presence is None:
        raise InputError("these slices have no labels: give cases with label files")
    # an organ in all training slices, or in none, gives nothing to learn
    varies = training.presence.any(0) & ~training.presence.all(0)
    if not bool(varies.any()):
        return float("nan")
    labels = training.presence[:, varies]
    scores = probe(getattr(training, vector), labels, getattr(test, vector), labels.shape[1])
    return mean_auc(scores, test.presence[:, varies])


def feature_scores(
    training: SliceFeatures, test: SliceFeatures, *, n_classes: int, n_neighbours: int = 20, l2: float = 1.0
) -> dict[str, float]:
    """All scores of one encoder on held-out slices; what cannot be computed on these slices is left out.

    Args:
        training: slices from which the probes learn.
        test: slices on which they are scored.
        n_classes: K.
        n_neighbours: of k-NN.
        l2: of the linear probe.

    Returns:
        ``patch_<probe>_organ_score`` (mean F1 over organs), ``patch_<probe>_balanced_accuracy``,
        ``slice_<vector>_<probe>_auc``; ``<probe>`` is ``knn`` or ``linear``, ``<vector>`` ``cls`` or ``mean_patch``.
    """
    scores: dict[str, float] = {}
    for name, probe in both_probes(n_neighbours=n_neighbours, l2=l2).items():
        counts = patch_counts(probe, training, test, n_classes=n_classes)
        scores |= probe_scores(name, probe, counts, training, test, n_classes=n_classes)
    return scores


def probe_scores(
    name: str, probe: Probe, counts: ClassCounts, training: SliceFeatures, test: SliceFeatures, *, n_classes: int
) -> dict[str, float]:
    """The part of `feature_scores` that one probe gives; ``counts`` are its `patch_counts`."""
    total = counts.total()
    scores = {
        f"patch_{name}_organ_score": float(organ_score(total)),
        f"patch_{name}_balanced_accuracy": float(balanced_accuracy(total)),
    }
    vectors: tuple[SliceVector, ...] = ("cls", "mean_patch")
    for vector in vectors:
        scores[f"slice_{vector}_{name}_auc"] = slice_auc(probe, training, test, vector=vector, n_classes=n_classes)
    return {key: score for key, score in scores.items() if math.isfinite(score)}
