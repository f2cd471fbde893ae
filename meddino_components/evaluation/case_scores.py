"""Scores of each organ, or region, of one case.

H rows, W columns, D slices; any orientation will do as long as reference and prediction share it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ..data.volumes.joint_box import joint_box
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..ignored_label import IGNORE
from .metrics import PUBLISHED_METRICS, AbsentRule, SegmentationMetric


@dataclass(frozen=True)
class OrganScore:
    """One organ of one case.

    Every value is NaN if the case does not count for the organ, see `AbsentRule`. `SegmentationMetric` says which value
    an empty mask gets.

    Args:
        case_id: id of the case.
        organ: name of the organ or region.
        values: value by the metric's name.
        reference_ml: volume in the reference.
        prediction_ml: volume in the prediction.
    """

    case_id: str
    organ: str
    values: Mapping[str, float]
    reference_ml: float
    prediction_ml: float

    @property
    def counts(self) -> bool:
        """True if the case counts for the organ."""
        return not all(math.isnan(value) for value in self.values.values())


def score_case(
    prediction: NDArray[np.integer[Any]] | torch.Tensor,
    reference: NDArray[np.integer[Any]] | torch.Tensor,
    *,
    spacing_mm: Sequence[float],
    label_names: Sequence[str],
    case_id: str,
    metrics: Sequence[SegmentationMetric] = PUBLISHED_METRICS,
    regions: Regions | None = None,
    absent: AbsentRule = AbsentRule.LEAVE_OUT,
    annotated: Sequence[bool] | torch.Tensor | None = None,
) -> list[OrganScore]:
    """Compare two label maps organ by organ.

    Each organ is cut out with the smallest box that holds it in both maps and one voxel more. That changes no value:
    Dice counts voxels of the organ only; surface metrics compare surface voxels with each other, and a voxel is on the
    surface if one of its six neighbours is background, all of which lie in the box. Where the box ends at the edge of
    the volume, MONAI pads it with background, as it pads the whole volume.

    Voxels of the reference with the label `IGNORE` count as background in both maps, and what was not annotated in the
    case gets no score.

    Args:
        prediction: [H, W, D] labels.
        reference: [H, W, D] labels on the same grid.
        spacing_mm: distance between rows, columns and slices.
        label_names: names by label, background first.
        case_id: id of the case, for messages and rows.
        metrics: measures to compute. Distances between surfaces take most of the time.
        regions: sets of labels to score in place of each label.
        absent: what a case counts for an organ that its reference lacks.
        annotated: whether each label was annotated in the reference, by label; None means all. A region counts as
            annotated if all of its labels were.

    Returns:
        One score per annotated organ, in the order of the labels and without the background; or one per region.

    Raises:
        InputError: the grids differ in shape, or a label has no name.

    Reference:
        MedDINOv3, arXiv 2509.02379, section 4: the default metrics. `AbsentRule` has those of its rules.
    """
    n_labels = regions.num_labels if regions else len(label_names)
    predicted = _label_map(prediction, n_labels, f"case {case_id}: prediction")
    expected = _label_map(reference, n_labels, f"case {case_id}: reference", ignored=True)
    if predicted.shape != expected.shape:
        raise InputError(
            f"case {case_id}: the prediction has shape {predicted.shape}, the reference {expected.shape}; expected one "
            "grid. Check that they belong together"
        )
    if (ignored := expected == IGNORE).any():
        predicted, expected = np.where(ignored, 0, predicted), np.where(ignored, 0, expected)
    found = ndimage.find_objects(predicted, max_label=n_labels - 1)
    wanted = ndimage.find_objects(expected, max_label=n_labels - 1)
    if regions:
        structures = dict(zip(regions.names, regions.members, strict=True))
    else:
        structures = {name: (label,) for label, name in enumerate(label_names) if label}
    voxel_ml = math.prod(float(s) for s in spacing_mm) / 1000
    scores = []
    for name, labels in structures.items():
        if annotated is not None and not all(bool(annotated[label]) for label in labels):
            continue
        box = joint_box([boxes[label - 1] for label in labels for boxes in (found, wanted)])
        masks = [np.logical_or.reduce([array[box] == label for label in labels]) for array in (predicted, expected)]
        values = _values(metrics, masks[0], masks[1], spacing_mm, absent)
        volumes = (int(mask.sum()) * voxel_ml for mask in reversed(masks))
        scores.append(OrganScore(case_id, name, values, *volumes))
    return scores


def _values(
    metrics: Sequence[SegmentationMetric],
    predicted: NDArray[np.bool_],
    expected: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    absent: AbsentRule,
) -> dict[str, float]:
    filled = {"predicted": bool(predicted.any()), "expected": bool(expected.any())}
    if not all(filled.values()):
        return {metric.name: metric.of_empty(**filled, absent=absent) for metric in metrics}
    masks = torch.from_numpy(predicted), torch.from_numpy(expected)
    spacing = [float(s) for s in spacing_mm]
    return {metric.name: float(metric(*masks, spacing)) for metric in metrics}


def _label_map(
    labels: NDArray[np.integer[Any]] | torch.Tensor, n_labels: int, what: str, *, ignored: bool = False
) -> NDArray[np.integer[Any]]:
    array = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if array.ndim != 3:
        raise InputError(f"{what} has shape {array.shape}; expected labels [H, W, D], not class scores")
    if not np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.int64)
    counted = array != IGNORE if ignored else True
    low, high = int(array.min(initial=0, where=counted)), int(array.max(initial=0, where=counted))
    if low < 0 or high >= n_labels:
        raise InputError(
            f"{what} holds labels {low}..{high}, expected are 0..{n_labels - 1}. Correct label_names or the label map"
        )
    return array
