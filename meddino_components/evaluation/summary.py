"""From scores of cases and organs to the numbers that are published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .case_scores import OrganScore
from .metrics import SegmentationMetric


@dataclass(frozen=True)
class Average:
    """Mean and median over the ``n`` cases that have a finite value; NaN if none has."""

    mean: float
    median: float
    n: int


@dataclass(frozen=True)
class OrganSummary:
    """One organ over all cases.

    Args:
        n: number of cases that count: those whose reference has the organ, or all by BraTS's rule.
        n_annotated: number of cases in which the organ was annotated; others neither count nor have volumes.
        n_missed: number of cases whose reference has the organ while no voxel of it was predicted.
        n_predicted_where_absent: number of cases whose reference lacks the organ while it was predicted.
        reference_ml: mean volume in the ``n`` references.
        prediction_ml: mean predicted volume in the same cases.
        values: average by the metric's name.
    """

    n: int
    n_annotated: int
    n_missed: int
    n_predicted_where_absent: int
    reference_ml: float
    prediction_ml: float
    values: Mapping[str, Average]


@dataclass(frozen=True)
class ScoreSummary:
    """All organs, and by the metric's name the mean over organs of their means over cases. NaN if nothing counts."""

    organs: Mapping[str, OrganSummary]
    means: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: each organ's averages by metric, and ``mean_<metric>``. None stands for no number."""
        organs = {}
        for name, organ in self.organs.items():
            facts = asdict(organ)
            organs[name] = {**facts, **facts.pop("values")}
        plain: dict[str, Any] = without_nan(
            {"organs": organs, **{mean_name(name): mean for name, mean in self.means.items()}}
        )
        return plain


def mean_name(metric: str) -> str:
    """The key of a metric's mean over organs."""
    return f"mean_{metric}"


def summarize(
    scores: Sequence[OrganScore], organs: Iterable[str], metrics: Sequence[SegmentationMetric]
) -> ScoreSummary:
    """Average by the published rule: over the cases that have the organ, then over organs.

    Every organ weighs the same, however many cases have it. Infinite values are left out: a missed organ has no finite
    distance, so a network that leaves out the hard organs looks better by its distances alone. Read them together with
    ``n_missed``.

    Args:
        scores: scores of all cases and organs.
        organs: names in the order wanted; an organ without a score gets a row with n 0.
        metrics: measures that the scores hold.

    Reference:
        MedDINOv3, arXiv 2509.02379, section 4.
    """
    table = {name: _organ_summary([s for s in scores if s.organ == name], metrics) for name in organs}
    means = {
        metric.name: finite_average(organ.values[metric.name].mean for organ in table.values()).mean
        for metric in metrics
    }
    return ScoreSummary(table, means)


def case_means(scores: Iterable[OrganScore], metric: SegmentationMetric) -> dict[str, float]:
    """Mean of each case over the organs that count for it; cases without any are left out."""
    cases: dict[str, list[float]] = {}
    for score in scores:
        if not math.isnan(value := score.values[metric.name]):
            cases.setdefault(score.case_id, []).append(value)
    return {case_id: float(np.mean(values)) for case_id, values in cases.items()}


def finite_average(values: Iterable[float]) -> Average:
    """Mean and median of the finite values."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return Average(math.nan, math.nan, 0)
    return Average(float(np.mean(finite)), float(np.median(finite)), len(finite))


def _organ_summary(scores: list[OrganScore], metrics: Sequence[SegmentationMetric]) -> OrganSummary:
    counted = [s for s in scores if s.counts]
    return OrganSummary(
        n=len(counted),
        n_annotated=len(scores),
        n_missed=sum(s.reference_ml > 0 and s.prediction_ml == 0 for s in scores),
        n_predicted_where_absent=sum(s.reference_ml == 0 and s.prediction_ml > 0 for s in scores),
        reference_ml=finite_average(s.reference_ml for s in counted).mean,
        prediction_ml=finite_average(s.prediction_ml for s in counted).mean,
        values={metric.name: finite_average(s.values[metric.name] for s in counted) for metric in metrics},
    )


def without_nan(value: Any) -> Any:
    """Return plain data for JSON, with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
