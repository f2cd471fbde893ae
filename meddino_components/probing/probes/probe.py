"""Probes with their settings, as functions from features to scores."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .logistic_regression import LinearProbe
from .nearest_neighbours import Metric, Weights, nearest_neighbour_scores

# training features, training labels, test features, number of classes -> scores of the test samples
Probe = Callable[[Tensor, Tensor, Tensor, int], Tensor]


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
