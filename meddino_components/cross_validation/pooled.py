"""The scores of all cases of all folds, each by the network that did not see the case, and their intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..data.cases.patients import patient_of
from ..errors import InputError
from ..evaluation.case_scores import OrganScore
from ..evaluation.case_scores_file import read_scores
from ..evaluation.metrics import SegmentationMetric
from ..evaluation.summary import ScoreSummary, summarize
from ..probing.statistics.bootstrap import Bootstrap, Resamples, mean_over_classes, percentile_interval
from ..probing.statistics.intervals import Interval
from ..probing.statistics.metrics import means_over_cases
from ..wording import counted
from .fold import Fold

Case = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FoldScores:
    """What the evaluation of one fold found.

    Attributes:
        number: number of the fold.
        patients: patient of each case, by the case's id.
        scores: scores of the fold's cases.
        document: content of the evaluation's ``metrics.json``.
    """

    number: int
    patients: Mapping[str, str]
    scores: Sequence[OrganScore]
    document: Mapping[str, Any]

    @property
    def organs(self) -> list[str]:
        return list(self.document["organs"])


@dataclass(frozen=True, kw_only=True)
class PooledScores:
    """The scores of all folds, as if one network had been evaluated on all cases.

    Attributes:
        folds: scores of each fold.
        metrics: measures that the scores hold.
        summary: means over all cases.
        of_organs: intervals by organ, then by the metric's name.
        means: intervals of the means over organs, by the metric's name.
    """

    folds: Sequence[FoldScores]
    metrics: Sequence[SegmentationMetric]
    summary: ScoreSummary
    of_organs: Mapping[str, Mapping[str, Interval]]
    means: Mapping[str, Interval]

    @property
    def scores(self) -> list[OrganScore]:
        return sorted((score for fold in self.folds for score in fold.scores), key=lambda score: score.case_id)

    @property
    def patients(self) -> dict[str, str]:
        return {case_id: patient for fold in self.folds for case_id, patient in fold.patients.items()}


def read_fold(fold: Fold, cases: Sequence[Case], metrics: Sequence[SegmentationMetric]) -> FoldScores:
    """Read the scores of a finished fold.

    Args:
        fold: the fold.
        cases: its validation cases.
        metrics: measures that the scores hold.

    Raises:
        InputError: other cases were scored than the validation cases.
    """
    document = json.loads(fold.summary.read_text(encoding="utf-8"))
    scores = read_scores(fold.scores, list(document["organs"]), [metric.name for metric in metrics])
    patients = {str(case["case_id"]): patient_of(case) for case in cases}
    found = {score.case_id for score in scores}
    # a case in which nothing is annotated has no scores
    whole = {str(case["case_id"]) for case in cases if case.get("annotated") is None}
    if differing := sorted((found - set(patients)) | (whole - found)):
        raise InputError(
            f"{fold.scores}: does not have exactly the {counted(len(patients), 'validation case')} of fold "
            f"{fold.number}; {differing[0]} differs. Delete {fold.folder / 'evaluation'} and run again"
        )
    return FoldScores(number=fold.number, patients=patients, scores=scores, document=document)


def pool(folds: Sequence[FoldScores], metrics: Sequence[SegmentationMetric], bootstrap: Bootstrap) -> PooledScores:
    """Average over all cases, and resample their patients.

    Args:
        folds: scores of each fold.
        metrics: measures that the scores hold.
        bootstrap: settings of the intervals.

    Raises:
        InputError: the folds have different organs, or a case is in two folds.
    """
    organs = folds[0].organs
    for fold in folds[1:]:
        if fold.organs != organs:
            raise InputError(
                f"fold {fold.number} has the organs {', '.join(fold.organs)}, fold {folds[0].number} has "
                f"{', '.join(organs)}; expected the same. Evaluate them with the same settings"
            )
    scored: dict[str, int] = {}
    for fold in folds:
        for case_id in fold.patients:
            if (other := scored.setdefault(case_id, fold.number)) != fold.number:
                raise InputError(
                    f"case {case_id} is a validation case of fold {other} and of fold {fold.number}; expected each "
                    "case in one fold. Correct the split"
                )
    scores = [score for fold in folds for score in fold.scores]
    patients = {case_id: patient for fold in folds for case_id, patient in fold.patients.items()}
    resamples = _resamples(patients, bootstrap)
    tables = {
        metric.name: _resampled_means(scores, metric.name, list(patients), organs, resamples) for metric in metrics
    }
    return PooledScores(
        folds=folds,
        metrics=metrics,
        summary=summarize(scores, organs, metrics),
        of_organs={
            organ: {name: percentile_interval(table[:, k]) for name, table in tables.items()}
            for k, organ in enumerate(organs)
        },
        means={name: percentile_interval(mean_over_classes(table)) for name, table in tables.items()},
    )


def _resamples(patients: Mapping[str, str], bootstrap: Bootstrap) -> Resamples:
    numbers = {patient: number for number, patient in enumerate(sorted(set(patients.values())))}
    return bootstrap.resample(torch.tensor([numbers[patient] for patient in patients.values()]))


def _resampled_means(
    scores: Sequence[OrganScore], metric: str, cases: Sequence[str], organs: Sequence[str], resamples: Resamples
) -> torch.Tensor:
    """Mean over cases of each organ: of the cases, then of each resample, [1 + R, K]."""
    values = torch.full((len(cases), len(organs)), math.nan, dtype=torch.float64)
    rows, columns = ({name: number for number, name in enumerate(names)} for names in (cases, organs))
    for score in scores:
        values[rows[score.case_id], columns[score.organ]] = score.values[metric]
    return means_over_cases(values, resamples)
