"""What probes find in one vector a sample: k-NN, the published linear probe and logistic regression.

Shapes: N samples, D width, K classes or labels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...data.image_sets import Split
from ..probes.linear_layer import gradient_probe_scores
from ..probes.nearest_neighbours import Metric
from ..probes.probe import Probe, linear_probe, nearest_neighbour_probe
from ..statistics.class_counts import mean_auc

# penalties that logistic regression is tried with
_L2 = (1.0, 10.0, 100.0, 1000.0)


def score_vectors(
    vectors: Mapping[Split, Tensor],
    targets: Mapping[Split, Tensor],
    *,
    n_classes: int,
    metric: Metric = "cosine",
    n_neighbours: int = 20,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Fit on the training split and score the test split; the validation split chooses logistic regression's penalty.

    Args:
        vectors: by split [N, D].
        targets: by split classes [N], or 0 and 1 [N, K].
        n_classes: K.
        metric: the encoder's, for k-NN.
        n_neighbours: of k-NN.
        seed: of the linear probe.

    Returns:
        test scores [N, K] of ``knn``, ``linear`` (see `gradient_probe_scores`) and ``logistic``.
    """
    knn = nearest_neighbour_probe(n_neighbours=n_neighbours, metric=metric)
    l2 = max(_L2, key=lambda l2: _validation_auc(linear_probe(l2=l2), vectors, targets, n_classes))
    train, test = (vectors["train"], targets["train"]), vectors["test"]
    return {
        "knn": knn(*train, test, n_classes),
        "linear": gradient_probe_scores(*train, test, n_classes=n_classes, seed=seed),
        "logistic": linear_probe(l2=l2)(*train, test, n_classes),
    }


def _validation_auc(
    probe: Probe, vectors: Mapping[Split, Tensor], targets: Mapping[Split, Tensor], n_classes: int
) -> float:
    truth = targets["val"]
    scores = probe(vectors["train"], targets["train"], vectors["val"], n_classes)
    auc = mean_auc(scores, torch.nn.functional.one_hot(truth, n_classes) if truth.ndim == 1 else truth)
    return auc if np.isfinite(auc) else 0.0
