"""From scores of cases and organs to the numbers that are published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .case_scores import OrganScore


@dataclass(frozen=True)
class Average:
    """Over the ``n`` cases that have a finite value; NaN where none has."""

    mean: float
    median: float
    n: int


@dataclass(frozen=True)
class OrganSummary:
    """One organ over all cases.

    Args:
        n: cases that count in the averages: those whose reference has the organ, or by BraTS's rule all.
        n_missed: cases whose reference has the organ, without one voxel predicted: Dice and surface Dice 0.
        n_predicted_where_absent: cases whose reference lacks the organ, but not the prediction.
        reference_ml: mean volume in the ``n`` references.
        prediction_ml: mean volume predicted in the same cases.
    """

    n: int
    n_missed: int
    n_predicted_where_absent: int
    reference_ml: float
    prediction_ml: float
    dice: Average
    surface_dice: Average
    hd95_mm: Average


@dataclass(frozen=True)
class ScoreSummary:
    """All organs, and the means over organs of their means over cases. NaN where nothing counts."""

    organs: dict[str, OrganSummary]
    mean_dice: float
    mean_surface_dice: float
    mean_hd95_mm: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not a number is None."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain


def summarize(scores: Sequence[OrganScore], organs: Iterable[str]) -> ScoreSummary:
    """Average by the published rule: over the cases that have the organ, then over organs.

    Every organ weighs the same, however many cases have it. HD95 is averaged over the cases in which something of the
    organ was predicted: a missed organ has no finite distance, so a network that leaves out the hard ones looks
    better by HD95 alone. Read it together with ``n_missed``.

    Args:
        scores: of all cases and organs.
        organs: names in the order wanted; one without a score gets a row with n 0.

    Reference:
        MedDINOv3, arXiv 2509.02379, section 4.
    """
    table = {name: _organ_summary([s for s in scores if s.organ == name]) for name in organs}
    return ScoreSummary(
        organs=table,
        mean_dice=finite_average([o.dice.mean for o in table.values()]).mean,
        mean_surface_dice=finite_average([o.surface_dice.mean for o in table.values()]).mean,
        mean_hd95_mm=finite_average([o.hd95_mm.mean for o in table.values()]).mean,
    )


def case_means(scores: Iterable[OrganScore]) -> dict[str, float]:
    """Mean Dice of each case over the organs that its reference has; cases without any are left out."""
    cases: dict[str, list[float]] = {}
    for score in scores:
        if not math.isnan(score.dice):
            cases.setdefault(score.case_id, []).append(score.dice)
    return {case_id: float(np.mean(values)) for case_id, values in cases.items()}


def finite_average(values: Iterable[float]) -> Average:
    """Mean and median of the finite ones among the values."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return Average(math.nan, math.nan, 0)
    return Average(float(np.mean(finite)), float(np.median(finite)), len(finite))


def _organ_summary(scores: list[OrganScore]) -> OrganSummary:
    present = [s for s in scores if not math.isnan(s.dice)]
    return OrganSummary(
        n=len(present),
        n_missed=sum(s.reference_ml > 0 and s.prediction_ml == 0 for s in scores),
        n_predicted_where_absent=sum(s.reference_ml == 0 and s.prediction_ml > 0 for s in scores),
        reference_ml=finite_average(s.reference_ml for s in present).mean,
        prediction_ml=finite_average(s.prediction_ml for s in present).mean,
        dice=finite_average(s.dice for s in present),
        surface_dice=finite_average(s.surface_dice for s in present),
        hd95_mm=finite_average(s.hd95_mm for s in present),
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
