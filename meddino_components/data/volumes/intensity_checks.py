"""Check that intensities are plausible for the stated modality."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...errors import InputError
from .ct_or_mr import Modality
from .intensity_statistics import FEW_SAMPLES, even_sample

_CT_AIR_BELOW_HU = -200.0
_FEWEST_FOR_SHARES = 1000  # smallest number of voxels for meaningful shares
_CT_DENSE_SHARE = 0.05
_CT_SOFT_SHARE = 0.025
_CT_BELOW_AIR_SHARE = 0.05
_MR_NEVER_BELOW = -500.0


def check_intensities(voxels: torch.Tensor, modality: Modality, name: str) -> None:
    """Refuse intensities that contradict the modality. Padding (-2000, -3024) and metal (30,000 HU) are allowed.

    Raises:
        InputError: CT has no voxel below -200 HU (no air: it is MR, or lacks the rescale intercept), or its soft tissue
            is about 1000 HU too high or too low; or MR has a voxel at or below -500.
    """
    array = voxels.detach().cpu().numpy()  # torch would copy a reoriented volume to compute its minimum
    low, high = float(array.min()), float(array.max())
    way_out = "If the modality is right, set `check_modality: false`."
    if modality == "mr" and low <= _MR_NEVER_BELOW:
        raise InputError(
            f"{name}: given as MR, but intensities reach down to {low:g}, as in CT (HU). "
            f"Set the modality to ct. {way_out}"
        )
    if modality == "ct" and low >= _CT_AIR_BELOW_HU:
        unsigned = low >= 0 and 1500 <= high <= 4096
        guess = (
            "as in CT stored without its rescale intercept: subtract 1024 (or export it again with the rescale applied)"
            if unsigned
            else "as in MR or a windowed picture: set the modality to mr or use the original scan"
        )
        raise InputError(
            f"{name}: given as CT, but intensities run from {low:g} to {high:g} and no voxel is below "
            f"{_CT_AIR_BELOW_HU:g} HU (air), {guess}. {way_out}"
        )
    few = array.size < _FEWEST_FOR_SHARES
    if modality == "ct" and not few and (finding := shifted_ct(even_sample(array, FEW_SAMPLES))):
        raise InputError(f"{name}: given as CT, but {finding}. {way_out}")


def shifted_ct(hu: np.ndarray[Any, np.dtype[np.float64]]) -> str | None:
    """Describe a CT whose soft tissue has implausible values; None if it is plausible.

    In 250 scans from head to legs, at least 7 % of voxels were between -200 and 300 HU and at most 2 % between 800 and
    1300 HU, which is fewer than or about as many as between 300 and 800 HU. A rescale intercept that is applied twice
    or not at all shifts values by 1000 or 1024, and an inverted scale moves air to the values of bone.
    """

    def share(lowest: float, highest: float) -> float:
        return float(np.mean((hu >= lowest) & (hu < highest)))

    bone, dense = share(300, 800), share(800, 1300)
    if dense > _CT_DENSE_SHARE and dense > 2 * bone:
        return (
            f"{dense:.0%} of the voxels lie between 800 and 1300 HU and {bone:.1%} between 300 and 800, as in CT "
            "stored without its rescale intercept, whose air is at 0, or inverted: subtract 1024, or export it "
            "again with the rescale applied"
        )
    soft, below = share(-200, 300), share(-np.inf, -1500)
    if soft < _CT_SOFT_SHARE and below > _CT_BELOW_AIR_SHARE:
        return (
            f"{soft:.1%} of the voxels lie between -200 and 300 HU (soft tissue) and {below:.0%} below -1500, as where "
            "the rescale intercept was applied twice: add 1024, or export it again"
        )
    return None
