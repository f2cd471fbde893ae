"""Find the body in a CT or MR volume: a box around it, and its pixels in a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms.utils import generate_spatial_bounding_box
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from .ct_or_mr import Modality

_COARSE = 128  # approximate number of rows and columns of the coarse volume
_AIR_SHARE = 0.1  # share of the range from air to the brightest per cent: -870 HU in CT, the edge of dark tissue in MR
_SKIN_SHARE = 0.25  # share of the same range in CT, to exclude sheets and foam on the skin
_THIN_MM, _TAIL_MM = 6.0, 16.0  # thickness of sheets and couch shells; thickness of parts attached to the body
_GAP_MM = {"ct": 6.0, "mr": 12.0}  # largest gap in the body's outline, such as bone without signal
_LIMB_SHARE = 0.05  # share of the largest part of a slice: arms are larger
_SMALL_SHARE = 0.01  # share of the largest part: smaller parts are noise or cables, legs and arms are larger


def body_region(
    volume: Tensor, *, spacing_mm: Sequence[float] | None = None, margin_mm: float = 20.0
) -> tuple[slice, slice, slice]:
    """Find a generous box around the body: too large a box costs time, too small a box may lose an organ.

    On a volume averaged in plane to about 128 x 128, voxels well above air are selected; parts smaller than a hundredth
    of the largest connected one are dropped; the box around the rest is widened by the margin in plane. Only slices
    more than one slice beyond the body are dropped.

    Args:
        volume: volume [C, H, W, D] with intensities on any scale, air being lowest. The box contains the body of every
            channel.
        spacing_mm: in-plane spacing (rows, columns) in mm; None counts the margin in pixels.
        margin_mm: margin around the body in plane, in mm.

    Returns:
        Slices of rows, columns and depth; the whole volume if nothing stands out, as in a constant one.

    Memory: a few rows of the volume, and the coarse volume.
    """
    size = tuple(volume.shape[1:])
    factor = max(1, min(size[:2]) // _COARSE)
    margin = [margin_mm / s for s in (spacing_mm or (1.0, 1.0))]
    boxes = [box for channel in volume if (box := _coarse_box(channel, factor)) is not None]
    if not boxes:
        return slice(0, size[0]), slice(0, size[1]), slice(0, size[2])
    low = np.min([box[0] for box in boxes], axis=0)
    high = np.max([box[1] for box in boxes], axis=0)
    in_plane = [
        slice(max(0, int(low[a] * factor - margin[a])), min(size[a], int(np.ceil(high[a] * factor + margin[a]))))
        for a in (0, 1)
    ]
    return in_plane[0], in_plane[1], slice(max(0, int(low[2]) - 1), min(size[2], int(high[2]) + 1))


def body_mask(
    image: NDArray[np.floating[Any]], *, modality: Modality, spacing_mm: Sequence[float] = (1.0, 1.0)
) -> NDArray[np.bool_]:
    """Return the pixels of the body in a slice, with everything it encloses (lungs, gas in the bowel).

    Pixels well above air are selected; in CT, which shows the couch, parts thinner than 6 mm (sheets, shells, cables)
    are removed. Parts smaller than a twentieth of the largest are dropped, gaps closed and holes filled; then parts
    thinner than 16 mm are removed.

    Args:
        image: slice [H, W] with intensities on any scale, air being lowest.
        modality: "ct" or "mr".
        spacing_mm: in-plane spacing (rows, columns) in mm.

    Returns:
        Mask [H, W]; empty if nothing stands out.
    """
    air, bright = float(image.min()), float(np.quantile(image, 0.99))
    # parts at the edge of the slice continue beyond it
    margin = [int(np.ceil(_TAIL_MM / mm)) for mm in spacing_mm]
    share, gap = _SKIN_SHARE if modality == "ct" else _AIR_SHARE, _GAP_MM[modality]
    mask = np.pad(image > air + share * (bright - air), [(m, m) for m in margin], mode="edge")
    if modality == "ct":
        mask = _narrow(mask, _THIN_MM / 2, spacing_mm, then_widen=True)
    body = ndimage.binary_fill_holes(_widen(_large_parts(mask), gap / 2, spacing_mm))
    body = _narrow(body, gap / 2, spacing_mm)
    body = _large_parts(_narrow(body, _TAIL_MM / 2, spacing_mm, then_widen=True))
    inner: NDArray[np.bool_] = body[margin[0] : -margin[0], margin[1] : -margin[1]]
    return inner


def _large_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, n_parts = ndimage.label(mask)
    counts = np.bincount(parts.ravel(), minlength=n_parts + 1)
    counts[0] = 0
    large = counts >= max(1, _LIMB_SHARE * counts.max())
    kept: NDArray[np.bool_] = large[parts]
    return kept


def _narrow(
    mask: NDArray[np.bool_], mm: float, spacing_mm: Sequence[float], *, then_widen: bool = False
) -> NDArray[np.bool_]:
    """Erode a mask by ``mm``; if widened again, parts thinner than twice that are gone."""
    narrow = ~_widen(~mask, mm, spacing_mm)
    return _widen(narrow, mm, spacing_mm) if then_widen else narrow


def _widen(mask: NDArray[np.bool_], mm: float, spacing_mm: Sequence[float]) -> NDArray[np.bool_]:
    """Dilate a mask by ``mm``."""
    if not mask.any():
        return mask
    near: NDArray[np.bool_] = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= mm
    return near


def _coarse_box(channel: Tensor, factor: int) -> tuple[list[int], list[int]] | None:
    """Return the corners of the body in the coarse volume, or None."""
    coarse = _averaged(channel, factor)
    air = float(coarse.min())
    bright = float(np.quantile(coarse, 0.99))
    mask = coarse > air + _AIR_SHARE * (bright - air)
    if not np.isfinite(bright - air) or not mask.any():
        return None
    parts, n_parts = ndimage.label(mask)
    counts = np.bincount(parts.ravel(), minlength=n_parts + 1)
    counts[0] = 0
    body = counts >= _SMALL_SHARE * counts.max()
    body[0] = False
    low, high = generate_spatial_bounding_box(body[parts][None])
    return [int(v) for v in low], [int(v) for v in high]


def _averaged(channel: Tensor, factor: int) -> np.ndarray:
    """Average [H, W, D] over factor x factor pixels (including partial ones at the end), one band of rows at a time."""
    bands = []
    for top in range(0, channel.shape[0], 16 * factor):
        band = channel[top : top + 16 * factor].permute(2, 0, 1).float()[None]  # depth as channels
        bands.append(F.avg_pool2d(band, factor, ceil_mode=True)[0].cpu())
    return np.asarray(torch.cat(bands, dim=1).permute(1, 2, 0))
