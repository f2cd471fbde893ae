"""Dice, surface Dice, 95 % Hausdorff distance and volumes of each organ, or region, of one case.

H rows, W columns, D slices; any orientation will do as long as reference and prediction share it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from scipy import ndimage

from ..data.volumes.regions import Regions
from ..errors import InputError

SURFACE_TOLERANCE_MM = 1.0
HAUSDORFF_PERCENTILE = 95
# HD95 where one of two maps is empty, by BraTS: the diagonal of its grid of 240 x 240 x 155 mm
WORST_DISTANCE_MM = math.hypot(240, 240, 155)

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class OrganScore:
    """One organ of one case.

    ``dice``, ``hd95_mm`` and ``surface_dice`` are NaN where the reference lacks the organ: the case does not count for
    it, whatever was predicted. Where the organ was missed altogether the Dice values are 0 and the distance is
    infinite. By BraTS's rule (``count_empty``) an empty reference counts: 1, 0 mm and 1 for an empty prediction, else
    0, ``WORST_DISTANCE_MM`` and 0; a missed region has that distance, too. The two surface metrics are NaN, too, where
    they were not asked for.
    """

    case_id: str
    organ: str
    dice: float
    hd95_mm: float
    surface_dice: float
    reference_ml: float
    prediction_ml: float


def score_case(
    prediction: NDArray[np.integer[Any]] | torch.Tensor,
    reference: NDArray[np.integer[Any]] | torch.Tensor,
    *,
    spacing_mm: Sequence[float],
    label_names: Sequence[str],
    case_id: str,
    distance_metrics: bool = True,
    regions: Regions | None = None,
    count_empty: bool = False,
) -> list[OrganScore]:
    """Compare two label maps organ by organ with MONAI's metric functions.

    Each organ is cut out with the smallest box that holds it in both maps and one voxel more. That changes no value:
    Dice counts voxels of the organ only; the surface metrics compare surface voxels with each other, and a voxel is on
    the surface if one of its six neighbours is background, all of which lie in the box. Where the box ends at the edge
    of the volume MONAI pads with background, in the box as in the whole volume.

    Args:
        prediction: [H, W, D] labels.
        reference: [H, W, D] labels on the same grid.
        spacing_mm: of rows, columns and slices.
        label_names: names by label, background first.
        case_id: for messages and rows.
        distance_metrics: compute HD95 and surface Dice, which take most of the time.
        regions: score these sets of labels, not each label.
        count_empty: what an empty reference means, see `OrganScore`.

    Returns:
        One score an organ, in the order of the labels, background left out; or one a region.

    Raises:
        InputError: the grids differ in shape, or there is a label without a name.

    Reference:
        MedDINOv3, arXiv 2509.02379, section 4: Dice, HD95 and surface Dice at 1 mm by MONAI. Baid et al., BraTS 2021,
        arXiv 2107.02314: empty regions.
    """
    n_labels = regions.num_labels if regions else len(label_names)
    predicted = _label_map(prediction, n_labels, f"case {case_id}: prediction")
    expected = _label_map(reference, n_labels, f"case {case_id}: reference")
    if predicted.shape != expected.shape:
        raise InputError(
            f"case {case_id}: the prediction has shape {predicted.shape}, the reference {expected.shape}; expected one "
            "grid. Check that they belong together"
        )
    found = ndimage.find_objects(predicted, max_label=n_labels - 1)
    wanted = ndimage.find_objects(expected, max_label=n_labels - 1)
    if regions:
        structures = dict(zip(regions.names, regions.members, strict=True))
    else:
        structures = {name: (label,) for label, name in enumerate(label_names) if label}
    scores = []
    for name, labels in structures.items():
        box = _joint_box([boxes[label - 1] for label in labels for boxes in (found, wanted)])
        masks = [np.logical_or.reduce([array[box] == label for label in labels]) for array in (predicted, expected)]
        values = _score_organ(masks[0], masks[1], spacing_mm, distance_metrics, count_empty)
        scores.append(OrganScore(case_id, name, *values))
    return scores


def _score_organ(
    predicted: NDArray[np.bool_],
    expected: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    distance_metrics: bool,
    count_empty: bool,
) -> tuple[float, float, float, float, float]:
    voxel_ml = math.prod(float(s) for s in spacing_mm) / 1000
    volumes = (int(expected.sum()) * voxel_ml, int(predicted.sum()) * voxel_ml)
    if not expected.any() or not predicted.any():
        dice, hd95_mm, surface_dice = _score_empty(predicted, expected, count_empty)
        if not distance_metrics:
            hd95_mm = surface_dice = math.nan
        return (dice, hd95_mm, surface_dice, *volumes)
    # [1, 1, h, w, d]: a batch of one case with one class
    y_pred, y = (torch.from_numpy(mask)[None, None] for mask in (predicted, expected))
    dice = compute_dice(y_pred.float(), y.float(), include_background=True)
    if not distance_metrics:
        return (float(dice), math.nan, math.nan, *volumes)
    spacing = [float(s) for s in spacing_mm]
    hd95 = compute_hausdorff_distance(
        y_pred, y, include_background=True, percentile=HAUSDORFF_PERCENTILE, spacing=spacing
    )
    surface = compute_surface_dice(
        y_pred, y, class_thresholds=[SURFACE_TOLERANCE_MM], include_background=True, spacing=spacing
    )
    return (float(dice), float(hd95), float(surface), *volumes)


def _score_empty(
    predicted: NDArray[np.bool_], expected: NDArray[np.bool_], count_empty: bool
) -> tuple[float, float, float]:
    """Dice, HD95 and surface Dice where one of the masks, or both, are empty."""
    if not count_empty:
        return (0.0, math.inf, 0.0) if expected.any() else (math.nan, math.nan, math.nan)
    return (0.0, WORST_DISTANCE_MM, 0.0) if expected.any() or predicted.any() else (1.0, 0.0, 1.0)


def _label_map(labels: NDArray[np.integer[Any]] | torch.Tensor, n_labels: int, what: str) -> NDArray[np.integer[Any]]:
    array = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if array.ndim != 3:
        raise InputError(f"{what} has shape {array.shape}; expected labels [H, W, D], not class scores")
    if not np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.int64)
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < 0 or high >= n_labels:
        raise InputError(
            f"{what} holds labels {low}..{high}, expected are 0..{n_labels - 1}. Correct label_names or the label map"
        )
    return array


def _joint_box(found: Sequence[Box | None]) -> Box:
    """The smallest box that holds all and one voxel more; an empty one where there is none."""
    boxes = [box for box in found if box is not None]
    if not boxes:
        return slice(0, 0), slice(0, 0), slice(0, 0)
    # a stop beyond the volume is allowed in a slice, a start below zero is not
    rows, columns, slices = (
        slice(max(0, min(s.start for s in axis) - 1), max(s.stop for s in axis) + 1)
        for axis in zip(*boxes, strict=True)
    )
    return rows, columns, slices
