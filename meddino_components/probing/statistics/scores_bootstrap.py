"""AUC, accuracy and F1 of classifiers with bootstrap intervals, and of the gain of one over another.

Shapes: N samples, K classes (or labels), U units that are resampled as a whole (patients), R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from .intervals import Interval
from .resampling import mean_over_classes, percentile_interval, resampled_units, units_that_show

Metric = Literal["AUC", "accuracy", "F1"]
METRICS: tuple[Metric, ...] = ("AUC", "accuracy", "F1")

_CHUNK = 2**24  # sample weights (resamples x samples) at a time


class BootstrappedScores:
    """Metrics of several classifiers on the same samples, all under the same resamples of the units.

    - ``AUC``: area under the ROC curve, averaged over classes (one against the rest) or labels; those of which the
      samples show no example or no counterexample do not count. Ties count half.
    - ``accuracy``: share of the samples whose class has the highest score; of labels, the share of right answers at
      0.5, averaged over labels.
    - ``F1``: averaged over the classes or labels that have an example.

    A resample without an example of some class (for the AUC: or a counterexample) has no AUC and F1, and where more
    than a quarter of the resamples have none there is no interval: see `resampling` for the reason.

    Args:
        targets: class numbers [N], or 0 and 1 [N, K].
        units: number of the unit of each sample [N], from 0.
        n_resamples: R.
        confidence: of the percentile intervals.
        seed: of the resampling; the global random states are not touched.

    Raises:
        ValueError: fewer than two units, or lengths that differ.

    Reference: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """

    def __init__(
        self, targets: Tensor, units: Tensor, *, n_resamples: int = 1000, confidence: float = 0.95, seed: int = 0
    ) -> None:
        if len(targets) != len(units):
            raise ValueError(f"{len(targets)} targets with {len(units)} units")
        self.targets, self.confidence = targets.cpu().long(), confidence
        units = units.cpu().unique(return_inverse=True)[1]
        self._units, self.n_units = units, int(units.max()) + 1 if len(units) else 0
        self._weights = resampled_units(self.n_units, n_resamples=n_resamples, seed=seed)

    def metrics(self, scores: Tensor) -> dict[Metric, Tensor]:
        """Each metric of one classifier's scores [N, K]: [1 + R], the value before those of the resamples.

        Raises:
            ValueError: the shape does not fit the targets.
        """
        scores = scores.cpu().double()
        if len(scores) != len(self.targets) or (self.targets.ndim == 2 and scores.shape != self.targets.shape):
            raise ValueError(f"scores {list(scores.shape)} do not go with targets {list(self.targets.shape)}")
        truth = self.targets
        if truth.ndim == 1:
            truth = torch.nn.functional.one_hot(truth, scores.shape[1])
            predicted = torch.nn.functional.one_hot(scores.argmax(1), scores.shape[1])
        else:
            predicted = (scores >= 0.5).long()
        parts: dict[Metric, list[Tensor]] = {metric: [] for metric in METRICS}
        for weights in self._weights.split(max(1, _CHUNK // len(scores))):
            of_samples = weights[:, self._units].double()
            parts["AUC"].append(_aucs(scores, truth, of_samples))
            parts["F1"].append(_f1s(predicted, truth, of_samples))
            right = (predicted == truth).double()
            right = right.all(1).double() if self.targets.ndim == 1 else right.mean(1)
            parts["accuracy"].append((of_samples @ right / of_samples.sum(1))[:, None])
        return {metric: mean_over_classes(torch.cat(values)) for metric, values in parts.items()}

    def interval(self, values: Tensor) -> Interval:
        """Of values [1 + R], such as a metric or the difference of one between two classifiers."""
        return percentile_interval(values, confidence=self.confidence)

    def shown_by(self, names: Sequence[str]) -> dict[str, int]:
        """How many units have an example of each class or label, or a counterexample where fewer have one."""
        truth = torch.nn.functional.one_hot(self.targets, len(names)) if self.targets.ndim == 1 else self.targets
        shown = torch.minimum(units_that_show(truth > 0, self._units), units_that_show(truth == 0, self._units))
        return dict(zip(names, shown.tolist(), strict=True))


def _aucs(scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
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


def _f1s(predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """[R, K], NaN where a class has no example."""
    hits, found, actual = (weights @ table.double() for table in (predicted * truth, predicted, truth))
    return torch.where(actual > 0, 2 * hits / (found + actual), torch.nan)
