"""Define a segmentation metric: a name, a function of two masks, a direction and a unit."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...errors import InputError
from .absent_rule import AbsentRule

# columns of metrics.csv and keys of metrics.json that are not a metric's
RESERVED_NAMES = frozenset(
    {"case", "organ", "n", "n_annotated", "n_missed", "n_predicted_where_absent", "reference_ml", "prediction_ml"}
)


class SegmentationMetric(ABC):
    """A measure of one structure of one case. Columns, means, plots and rankings of the report follow from it.

    A subclass states ``name``, ``title`` and what differs from the other values below, and implements ``__call__`` for
    two masks that are not empty. Empty masks are handled here.

    Attributes:
        name: column in ``metrics.csv`` and key in ``metrics.json``, such as ``hd95_mm``.
        title: heading in the report, without the unit.
        unit: unit of the values; empty for a ratio.
        higher_is_better: whether a larger value is better.
        best: value of a perfect prediction.
        missed: value where the reference has the structure and nothing is predicted. An infinite value is left out of
            means.
        penalty: value where exactly one of the masks is empty, by `AbsentRule.BRATS`.
    """

    name: str
    title: str
    unit: str = ""
    higher_is_better: bool = True

    @abstractmethod
    def __call__(self, prediction: Tensor, reference: Tensor, spacing_mm: Sequence[float]) -> float:
        """Compare two masks, each with at least one voxel.

        Args:
            prediction: [h, w, d] bool, cut to the smallest box that holds both masks and one voxel more.
            reference: [h, w, d] bool on the same grid.
            spacing_mm: distance between rows, columns and slices.
        """

    @property
    def best(self) -> float:
        return 1.0 if self.higher_is_better else 0.0

    @property
    def missed(self) -> float:
        return 0.0 if self.higher_is_better else math.inf

    @property
    def penalty(self) -> float:
        return self.missed

    def of_empty(self, *, predicted: bool, expected: bool, absent: AbsentRule) -> float:
        """Value where at least one of the masks is empty; NaN if the case does not count.

        Args:
            predicted: whether the prediction has a voxel.
            expected: whether the reference has a voxel.
            absent: rule for a reference without the structure.
        """
        if absent is AbsentRule.BRATS:
            return self.penalty if expected or predicted else self.best
        counts = expected or (predicted and absent is AbsentRule.NNUNET)
        return self.missed if counts else math.nan

    def rank(self, value: float) -> float:
        """A number that is lowest for the worst value."""
        return value if self.higher_is_better else -value

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def text(self, value: float) -> str:
        """The value as the report shows it: three decimals of a ratio, one of a quantity; a dash for NaN."""
        if math.isnan(value):
            return "-"
        return f"{value:.{1 if self.unit else 3}f}" if math.isfinite(value) else "missed"


def check_metrics(metrics: Sequence[Any]) -> tuple[SegmentationMetric, ...]:
    """The metrics, once each is one and no two have the same name.

    Raises:
        InputError: the list is empty, holds something else, or a name recurs or is reserved.
    """
    if not metrics:
        raise InputError("metrics is empty; expected at least one, such as meddino_components.evaluation.Dice")
    for metric in metrics:
        if not isinstance(metric, SegmentationMetric):
            found = metric.__name__ if isinstance(metric, type) else type(metric).__name__
            raise InputError(
                f"metrics holds {found}; expected a meddino_components.evaluation.SegmentationMetric, such as Dice"
            )
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1 or name in RESERVED_NAMES:
            raise InputError(f"metrics: the name {name!r} is taken; expected each name once, and none of the table's")
    return tuple(metrics)
