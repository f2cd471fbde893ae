"""k-nearest-neighbour classification of features, in bounded memory.

Shapes: M training samples, N test samples, D width, K classes, k neighbours.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Metric = Literal["cosine", "euclidean"]
Weights = Literal["softmax", "uniform", "distance"]

# training samples compared at once; with the test samples below, 128 MiB of similarities in fp32
_TRAINING_CHUNK = 16_384
_TEST_CHUNK = 2_048


def nearest_neighbour_scores(
    training_features: Tensor,
    training_labels: Tensor,
    test_features: Tensor,
    *,
    n_classes: int,
    n_neighbours: int = 20,
    metric: Metric = "cosine",
    weights: Weights = "softmax",
    temperature: float = 0.07,
) -> Tensor:
    r"""Share of the votes that each class gets from the nearest training samples.

    A neighbour at cosine similarity s votes with the weight :math:`\exp(s / T)` (``softmax``, as DINO does), with 1
    (``uniform``), or with 1 / d (``distance``), d being 1 - s or the Euclidean distance; neighbours at distance 0 then
    outvote all others. Votes are divided by their sum.

    Computed in the features' precision, at least fp32, on their device. Similarities are made chunk by chunk and only
    the k best are kept: memory beyond the features is that of one chunk of each side and of the result.

    Args:
        training_features: [M, D].
        training_labels: classes [M], or for several labels a sample 0 and 1 [M, K].
        test_features: [N, D].
        n_classes: K.
        n_neighbours: k; all training samples where there are fewer.
        metric: what is near; ``euclidean`` suits raw pixels, whose length says something.
        weights: see above; ``softmax`` needs the cosine.
        temperature: T of ``softmax``.

    Returns:
        [N, K]. With classes, rows sum to 1; with several labels, each column is the share of votes for its label.

    Raises:
        ValueError: no training sample, widths or numbers that do not match, a label beyond ``n_classes``, unknown or
            incompatible settings.

    Reference: Caron et al., Emerging properties in self-supervised vision transformers, arXiv 2104.14294, section 4.1
    and appendix F.1; Wu et al., Unsupervised feature learning via non-parametric instance discrimination,
    arXiv 1805.01978, section 3.4.
    """
    if metric not in ("cosine", "euclidean") or weights not in ("softmax", "uniform", "distance"):
        raise ValueError(f"unknown metric {metric!r} or weights {weights!r}")
    if weights == "softmax" and metric != "cosine":
        raise ValueError("softmax weights need the cosine metric: a temperature has no meaning for raw distances")
    targets = _targets(training_features, training_labels, test_features, n_classes)
    k = min(n_neighbours, len(training_features))
    parts = []
    for rows in test_features.split(_TEST_CHUNK):
        similarity, neighbours = _nearest(_prepared(rows, metric), training_features, k, metric)
        votes = _votes(similarity, weights, metric, temperature)
        of_classes = torch.einsum("nk,nkc->nc", votes, targets[neighbours].to(votes.dtype))
        # divided at the end, and by what the classes got: sums of whole votes are exact, and a class that got all votes
        # has exactly 1. Rounding would break such ties by chance, and the area under a ROC curve counts every one
        total = votes.sum(1, keepdim=True) if training_labels.ndim == 2 else of_classes.sum(1, keepdim=True)
        parts.append(of_classes / total)
    dtype = torch.promote_types(test_features.dtype, torch.float32)
    return torch.cat(parts) if parts else torch.zeros(0, n_classes, dtype=dtype, device=test_features.device)


def _targets(training_features: Tensor, labels: Tensor, test_features: Tensor, n_classes: int) -> Tensor:
    """[M, K] of 0 and 1, a byte each."""
    if not len(training_features) or len(labels) != len(training_features):
        raise ValueError(f"{len(training_features)} training samples with {len(labels)} labels")
    if training_features.ndim != 2 or training_features.shape[1:] != test_features.shape[1:]:
        raise ValueError(
            f"features must be [M, D] and [N, D], got {list(training_features.shape)} and {list(test_features.shape)}"
        )
    labels = labels.to(training_features.device)
    if labels.ndim == 2:
        if labels.shape[1] != n_classes:
            raise ValueError(f"labels are {list(labels.shape)}, expected {n_classes} columns")
        return labels.to(torch.uint8)
    if int(labels.min()) < 0 or int(labels.max()) >= n_classes:
        raise ValueError(f"labels run from {int(labels.min())} to {int(labels.max())}, expected 0 to {n_classes - 1}")
    targets = torch.zeros(len(labels), n_classes, dtype=torch.uint8, device=labels.device)
    return targets.scatter_(1, labels.long()[:, None], 1)


def _prepared(features: Tensor, metric: Metric) -> Tensor:
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    return F.normalize(features, dim=1) if metric == "cosine" else features


def _nearest(rows: Tensor, training_features: Tensor, k: int, metric: Metric) -> tuple[Tensor, Tensor]:
    """Similarity [n, k] and number of the k nearest training samples; the Euclidean one is minus the distance."""
    best = rows.new_full((len(rows), 0), 0.0)
    found = torch.zeros(len(rows), 0, dtype=torch.int64, device=rows.device)
    start = 0
    for chunk in training_features.split(_TRAINING_CHUNK):
        candidates = _prepared(chunk, metric)
        similarity = rows @ candidates.T if metric == "cosine" else torch.cdist(rows, candidates).neg_()
        near, where = similarity.topk(min(k, len(chunk)), dim=1)
        # only the winners of a chunk meet those of the others
        best, found = torch.cat((best, near), 1), torch.cat((found, where + start), 1)
        best, order = best.topk(min(k, best.shape[1]), dim=1)
        found = found.gather(1, order)
        start += len(chunk)
    return best, found


def _votes(similarity: Tensor, weights: Weights, metric: Metric, temperature: float) -> Tensor:
    """[n, k], not yet divided by their sum."""
    if weights == "softmax":
        return (similarity / temperature).softmax(1)
    if weights == "uniform":
        return torch.ones_like(similarity)
    distance = 1 - similarity if metric == "cosine" else -similarity
    # the same picture twice is at a rounding error, not at 0
    same = distance <= 10 * torch.finfo(distance.dtype).eps
    return torch.where(same.any(1, keepdim=True), same.to(distance.dtype), 1 / distance.clamp(min=1e-30))
