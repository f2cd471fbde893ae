"""k-nearest-neighbour classification of features, in bounded memory.

Shapes: M training samples, N test samples, D width, K classes, k neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...bundle.kinds import choice, number, optional, read_fields, whole
from .probe import LabelledFeatures, Metric, Probe, ProbeScores

Weights = Literal["softmax", "uniform", "distance"]

# training samples compared at once; with the test samples below, 128 MiB of similarities in fp32
_TRAINING_CHUNK = 16_384
_TEST_CHUNK = 2_048


@dataclass(frozen=True, kw_only=True)
class KNearestNeighbours(Probe):
    r"""Share of the votes that each class receives from the nearest training samples.

    The encoder's metric decides which samples are near: the cosine, or for raw pixels, whose length carries
    information, the Euclidean distance. A neighbour at cosine similarity s votes with weight :math:`\exp(s / T)`
    (``softmax``, as in DINO), with 1 (``uniform``), or with 1 / d (``distance``), where d is 1 - s or the Euclidean
    distance; neighbours at distance 0 then outvote all others. Votes are divided by their sum.

    Computations use the features' precision, at least fp32, and their device. Similarities are computed in chunks and
    only the k best are kept, so that memory beyond the features is that of one chunk on each side and of the result.

    Attributes:
        n_neighbours: k; all training samples are used if there are fewer.
        weights: weights of votes; None chooses by the metric: "softmax" for the cosine, "distance" for the distance.
        temperature: temperature T of "softmax".
        name: name in tables.

    Raises:
        InputError: the count is below 1, the weights are unknown, or the temperature is 0 or less.

    Reference: Caron et al., Emerging properties in self-supervised vision transformers, arXiv 2104.14294, section 4.1
    and appendix F.1; Wu et al., Unsupervised feature learning via non-parametric instance discrimination,
    arXiv 1805.01978, section 3.4.
    """

    n_neighbours: int = 20
    weights: Weights | None = None
    temperature: float = 0.07
    name: str = "knn"

    def __post_init__(self) -> None:
        read_fields(
            self,
            n_neighbours=whole(1),
            weights=optional(choice("softmax", "uniform", "distance")),
            temperature=number(above=0),
        )

    def score(self, features: LabelledFeatures) -> ProbeScores:
        """Shares of votes: rows sum to 1 for classes; with several labels each column is the share for its label.

        Raises:
            ValueError: there is no training sample, widths or numbers do not match, a label is beyond the classes, or
                the metric is unknown or does not suit the weights.
        """
        metric, training, test = features.metric, features.vectors["train"], features.vectors["test"]
        labels = features.targets["train"]
        if metric not in ("cosine", "euclidean"):
            raise ValueError(f"unknown metric {metric!r}")
        weights = self.weights or ("softmax" if metric == "cosine" else "distance")
        if weights == "softmax" and metric != "cosine":
            raise ValueError("softmax weights need the cosine metric: a temperature has no meaning for raw distances")
        targets = _targets(training, labels, test, features.n_classes)
        k = min(self.n_neighbours, len(training))
        parts = []
        for rows in test.split(_TEST_CHUNK):
            similarity, neighbours = _nearest(_prepared(rows, metric), training, k, metric)
            votes = _votes(similarity, weights, metric, self.temperature)
            of_classes = torch.einsum("nk,nkc->nc", votes, targets[neighbours].to(votes.dtype))
            # divided at the end, and by what the classes got: sums of whole votes are exact, and a class that got all
            # votes has exactly 1. Rounding would break such ties by chance, and the area under a ROC curve counts every
            # one
            total = votes.sum(1, keepdim=True) if labels.ndim == 2 else of_classes.sum(1, keepdim=True)
            parts.append(of_classes / total)
        none = torch.zeros(0, features.n_classes, dtype=_precision(test), device=test.device)
        return ProbeScores(scores=torch.cat(parts) if parts else none)


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


def _precision(features: Tensor) -> torch.dtype:
    return torch.promote_types(features.dtype, torch.float32)


def _prepared(features: Tensor, metric: Metric) -> Tensor:
    features = features.to(_precision(features))
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
