"""Candidates for the post-processing of an organ, and how well each of them does on one case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.volumes.regions import Regions
from ..inference.postprocessing import (
    FillHoles,
    LargestComponent,
    OrganSteps,
    PostprocessingStep,
    SmallestSize,
    postprocess_labels,
    structures_of,
)
from .case_scores import score_case
from .metrics import AbsentRule, Dice

Candidate = tuple[PostprocessingStep, ...]

_DICE = Dice()


def candidates(smallest_ml: Sequence[float]) -> list[Candidate]:
    """Return the candidates for one organ, those with fewer steps first.

    Args:
        smallest_ml: volumes in ml to try as the smallest size of a component.
    """
    removing: list[PostprocessingStep] = [LargestComponent(), *(SmallestSize(volume_ml=ml) for ml in smallest_ml)]
    return [(FillHoles(),), *((step,) for step in removing), *((step, FillHoles()) for step in removing)]


class LabelledCase:
    """Prediction and reference of one case, to score steps on.

    Args:
        prediction: labels [X, Y, Z] as the network predicted them.
        reference: labels [X, Y, Z] on the same grid.
        spacing_mm: spacing of the axes in mm.
        label_names: names by label, the background first.
        regions: nested regions that the labels form; None for classes.
        case_id: id of the case, for messages.
        annotated: whether each label was annotated in the reference, see `score_case`.
    """

    def __init__(
        self,
        *,
        prediction: NDArray[np.uint8],
        reference: NDArray[np.uint8],
        spacing_mm: Sequence[float],
        label_names: Sequence[str],
        regions: Regions | None,
        case_id: str,
        annotated: Sequence[bool] | Tensor | None = None,
    ) -> None:
        self.prediction, self.reference, self.spacing_mm = prediction, reference, spacing_mm
        self.label_names, self.regions, self.case_id = label_names, regions, case_id
        self.annotated = annotated
        self.structures = structures_of(label_names, regions)

    def dice(self, steps: OrganSteps) -> dict[str, float]:
        """Return the Dice of each organ or region after steps; NaN if the case does not count for it.

        What was not annotated in the case has none.
        """
        labels = self.prediction.copy()
        voxel_ml = float(np.prod(self.spacing_mm)) / 1000
        postprocess_labels(labels, steps, self.structures, voxel_ml=voxel_ml)
        scores = score_case(
            labels,
            self.reference,
            spacing_mm=self.spacing_mm,
            label_names=self.label_names,
            case_id=self.case_id,
            metrics=[_DICE],
            regions=self.regions,
            absent=AbsentRule.published(of_regions=self.regions is not None),
            annotated=self.annotated,
        )
        return {score.organ: score.values[_DICE.name] for score in scores}

    def dice_of_candidates(self, tried: Sequence[Candidate]) -> Mapping[str, list[float]]:
        """Return for each organ or region its Dice with each candidate, the other organs as they were predicted."""
        found: dict[str, list[float]] = {}
        for candidate in tried:
            for name, value in self._each(candidate).items():
                found.setdefault(name, []).append(value)
        return found

    def _each(self, candidate: Candidate) -> dict[str, float]:
        names = [structure.name for structure in self.structures]
        if self.regions is None:
            # what is taken from one class leaves the voxels of the others as they are
            return self.dice(dict.fromkeys(names, candidate))
        alone = {name: self.dice({name: candidate}) for name in names}
        return {name: dice[name] for name, dice in alone.items() if name in dice}


def mean_dice(cases: Sequence[Mapping[str, Any]], organ: str) -> tuple[float, int]:
    """Return the mean Dice of an organ over the cases that count for it, and their number; NaN if none does."""
    values = [case[organ] for case in cases if organ in case and not np.isnan(case[organ])]
    return (float(np.mean(values)), len(values)) if values else (float("nan"), 0)
