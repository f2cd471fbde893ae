"""The metrics of all tables, under every resample: `METRICS` of predicted scores, and mean Dice of segmented cases.

Shapes: N samples or cases, K classes (or labels), U units, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from .bootstrap import Resamples, mean_over_classes
from .class_counts import ClassCounts, class_f1, class_recall, count_tables

_CHUNK = 2**24  # sample weights (resamples x samples) at a time


@dataclass(frozen=True)
class Predictions:
    """Scores of samples together with their labels.

    A class is predicted for a sample if its score is the highest; of several labels, each whose score is at least 0.5.

    Attributes:
        scores: [N, K], float64.
        targets: classes [N], or 0 and 1 [N, K].
        resamples: units of the samples, and their weights.

    Raises:
        ValueError: the shapes do not match.
    """

    scores: Tensor
    targets: Tensor
    resamples: Resamples

    def __post_init__(self) -> None:
        n, several = len(self.resamples.units), self.targets.ndim == 2
        if len(self.targets) != n:
            raise ValueError(f"{len(self.targets)} targets with {n} units")
        if len(self.scores) != n or (several and self.scores.shape != self.targets.shape):
            raise ValueError(f"scores {list(self.scores.shape)} do not go with targets {list(self.targets.shape)}")

    @cached_property
    def truth(self) -> Tensor:
        """0 and 1, [N, K]."""
        return self.targets if self.targets.ndim == 2 else F.one_hot(self.targets, self.scores.shape[1])

    @cached_property
    def predicted(self) -> Tensor:
        """0 and 1, [N, K]."""
        if self.targets.ndim == 2:
            return (self.scores >= 0.5).long()
        return F.one_hot(self.scores.argmax(1), self.scores.shape[1])

    @cached_property
    def counts(self) -> ClassCounts:
        """Counts under each resample, [1 + R, K]."""
        weights = self.resamples.weights.double()
        units, n_units = self.resamples.units, self.resamples.n_units
        return count_tables(self.predicted, self.truth, units=units, n_units=n_units).weighted(weights)


def _auc(found: Predictions) -> Tensor:
    """[1 + R, K], NaN where a class has no example or no counterexample. Ties count half."""
    parts = []
    for weights in found.resamples.weights.split(max(1, _CHUNK // max(1, len(found.scores)))):
        of_samples = weights[:, found.resamples.units].double()
        parts.append(_weighted_aucs(found.scores, found.truth, of_samples))
    return torch.cat(parts)


def _weighted_aucs(scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """[R, K] from scores [N, K], 0 and 1 [N, K] and sample weights [R, N]."""
    of_classes = []
    for score, positive in zip(scores.T, truth.T, strict=True):
        order = score.argsort()
        # one past the last of each run of equal scores
        ends = torch.cat((score[order].diff() != 0, torch.ones(1, dtype=torch.bool))).nonzero()[:, 0]
        ordered, is_positive = weights[:, order], positive[order].double()
        up_to = [(ordered * w).cumsum(1)[:, ends] for w in (is_positive, 1 - is_positive)]
        positives, negatives = (torch.diff(c, dim=1, prepend=c.new_zeros(len(c), 1)) for c in up_to)
        below = up_to[1] - negatives / 2
        of_classes.append((positives * below).sum(1) / (up_to[0][:, -1] * up_to[1][:, -1]))
    return torch.stack(of_classes, 1)


def _accuracy(found: Predictions) -> Tensor:
    """Share of correct answers, [1 + R, 1]: one answer a sample for classes, K of them for several labels."""
    correct = (found.predicted == found.truth).double()
    of_samples = correct.all(1).double() if found.targets.ndim == 1 else correct.mean(1)
    of_units = torch.zeros(found.resamples.n_units, 2, dtype=torch.float64)
    of_units.index_add_(0, found.resamples.units, torch.stack((of_samples, torch.ones_like(of_samples)), 1))
    right, total = (found.resamples.weights.double() @ of_units).T
    return (right / total)[:, None]


# what each metric is of every class, [1 + R, K], NaN where a class is missing; tables show the mean over classes
METRICS: Mapping[str, Callable[[Predictions], Tensor]] = {
    "AUC": _auc,  # one class against the rest
    "accuracy": _accuracy,
    "F1": lambda found: class_f1(found.counts),
    "organ score": lambda found: class_f1(found.counts)[:, 1:],  # F1 without background
    "balanced accuracy": lambda found: class_recall(found.counts),
}


def measure(scores: Tensor, targets: Tensor, resamples: Resamples, metrics: Sequence[str]) -> dict[str, Tensor]:
    """Metrics of predicted scores, averaged over classes: of the samples, then of each resample, [1 + R].

    Args:
        scores: probabilities or shares of votes, [N, K].
        targets: classes [N], or 0 and 1 [N, K].
        resamples: resamples of the samples' units.
        metrics: names in `METRICS`.

    Raises:
        ValueError: the shapes do not match.
    """
    found = Predictions(scores.cpu().double(), targets.cpu().long(), resamples)
    return {name: mean_over_classes(METRICS[name](found)) for name in metrics}


def examples_shown(targets: Tensor, resamples: Resamples, names: Sequence[str]) -> dict[str, int]:
    """Count the units with an example of each class or label, or with a counterexample if those are fewer."""
    truth = F.one_hot(targets.cpu().long(), len(names)) if targets.ndim == 1 else targets.cpu()
    shown, others = resamples.shown_by(truth > 0, names), resamples.shown_by(truth == 0, names)
    return {name: min(shown[name], others[name]) for name in names}


def mean_dice(dice: Tensor, resamples: Resamples) -> Tensor:
    """Mean over classes of their mean Dice over cases: of the cases, then of each resample, [1 + R].

    Args:
        dice: Dice [N, K], NaN where the reference of a case lacks the class.
        resamples: resamples of the cases' patients.
    """
    return mean_over_classes(means_over_cases(dice, resamples))


def means_over_cases(values: Tensor, resamples: Resamples) -> Tensor:
    """Mean over cases of the values of each class: of the cases, then of each resample, [1 + R, K].

    Args:
        values: values of a metric [N, K]; those that are not finite are left out.
        resamples: resamples of the cases' patients.
    """
    weights, present = resamples.weights[:, resamples.units].double(), values.isfinite()
    finite = torch.where(present, values.double(), 0)
    return (weights @ finite) / (weights @ present.double())
