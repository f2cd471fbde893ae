"""What k-NN and a linear probe find in the features of labelled slices.

Shapes: N patches, S slices, K classes (0 is background).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from torch import Tensor

from ..errors import InputError
from .linear_probe import LinearProbe
from .nearest_neighbours import Metric, Weights, nearest_neighbour_scores
from .patch_features import SliceFeatures
from .probe_metrics import ClassCounts, balanced_accuracy, count_classes, mean_auc, organ_score

# training features, training labels, test features, number of classes -> scores of the test samples
Probe = Callable[[Tensor, Tensor, Tensor, int], Tensor]
SliceVector = Literal["cls", "mean_patch"]


def nearest_neighbour_probe(
    *, n_neighbours: int = 20, metric: Metric = "cosine", weights: Weights | None = None, temperature: float = 0.07
) -> Probe:
    """`nearest_neighbour_scores` with these settings.

    Args:
        n_neighbours: k.
        metric: the encoder's.
        weights: of votes; None is what suits the metric, "softmax" for the cosine and "distance" for the distance.
        temperature: of "softmax".
    """
    chosen: Weights = weights or ("softmax" if metric == "cosine" else "distance")

    def probe(training: Tensor, labels: Tensor, test: Tensor, n_classes: int) -> Tensor:
        return nearest_neighbour_scores(
            training,
            labels,
            test,
            n_classes=n_classes,
            n_neighbours=n_neighbours,
            metric=metric,
            weights=chosen,
            temperature=temperature,
        )

    return probe


def linear_probe(*, l2: float = 1.0, max_iterations: int = 1000) -> Probe:
    """`LinearProbe` with these settings."""

    def probe(training: Tensor, labels: Tensor, test: Tensor, n_classes: int) -> Tensor:
        fitted = LinearProbe(l2=l2, max_iterations=max_iterations).fit(training, labels, n_classes=n_classes)
        return fitted.scores(test)

    return probe


def both_probes(*, metric: Metric = "cosine", n_neighbours: int = 20, l2: float = 1.0) -> dict[str, Probe]:
    """``knn`` and ``linear``, as they judge an encoder whose vectors are compared by ``metric``."""
    return {"knn": nearest_neighbour_probe(n_neighbours=n_neighbours, metric=metric), "linear": linear_probe(l2=l2)}


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
