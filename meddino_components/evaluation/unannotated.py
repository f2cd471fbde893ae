"""Keep what nobody annotated out of MONAI's metrics during training.

R regions; H rows, W columns, D slices.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.metrics import DiceMetric
from monai.transforms import MapTransform
from torch import Tensor

from ..data.volumes.regions import Regions
from ..ignored_label import IGNORE

# value of a mask whose region nobody annotated
_UNKNOWN = -1.0


class LeaveOutIgnoredd(MapTransform):
    """Set voxels that nobody annotated (`IGNORE`) to background in prediction and label, [1, H, W, D] each.

    Classes that were not annotated need nothing more: no label has them, and MONAI's Dice leaves out classes that a
    label lacks.
    """

    def __init__(self) -> None:
        super().__init__(("pred", "label"))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        ignored = case["label"] == IGNORE
        if bool(ignored.any()):
            for key in self.keys:
                case[key] = case[key].masked_fill(ignored, 0)
        return case


class MarkUnknownRegionsd(MapTransform):
    """Fill the reference masks [R, H, W, D] of regions that nobody annotated in a case with -1, for `KnownDice`.

    A region is known if all of its labels were annotated, by the case's ``annotated`` [K].

    Args:
        regions: regions of the masks.
    """

    def __init__(self, *, regions: Regions) -> None:
        super().__init__(("label",))
        self.regions = regions

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        annotated = case.get("annotated")
        if annotated is not None:
            masks = case["label"].clone()
            for mask, known in zip(masks, self.regions.known(annotated), strict=True):
                if not known:
                    mask.fill_(_UNKNOWN)
            case["label"] = masks
        return case


class KnownDice(DiceMetric):
    """MONAI's Dice of masks [B, R, ...], NaN for those that `MarkUnknownRegionsd` marked."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:
        unknown = y.flatten(2)[..., 0] == _UNKNOWN
        scores: Tensor = super()._compute_tensor(y_pred, y.clamp(min=0))
        return torch.where(unknown, torch.nan, scores)
