"""The box round the body in a normalised CT or MR volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.transforms.utils import generate_spatial_bounding_box
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

_COARSE = 128  # rows and columns of the coarse volume, about
_AIR_SHARE = 0.1  # of the range from air to the brightest per cent: -870 HU in CT, dark tissue's edge in MR
_SMALL_SHARE = 0.01  # of the largest part: smaller parts are noise or a cable, legs and arms are larger


def body_region(
    volume: Tensor, *, spacing_mm: Sequence[float] | None = None, margin_mm: float = 20.0
) -> tuple[slice, slice, slice]:
    """Find the box that holds the body, generously: what is too large costs time, what is too small costs an organ.

    Voxels well above air are taken on a volume averaged in plane to about 128 x 128; parts smaller than a hundredth
    of the largest connected one are dropped; the box round the rest is widened by the margin in plane. Slices are
    dropped only where they lie more than one slice beyond the body.

    Args:
        volume: [C, H, W, D], intensities on any scale, air the lowest. The box holds the body in every channel.
        spacing_mm: in-plane (rows, columns); None counts the margin in pixels.
        margin_mm: how far to go beyond the body in plane.

    Returns:
        slices of rows, columns and depth; the whole volume where nothing stands out (a constant one).

    Memory: a few rows of the volume and the coarse volume.
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


def _coarse_box(channel: Tensor, factor: int) -> tuple[list[int], list[int]] | None:
    """Corners of the body in the coarse volume, or None."""
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
    """[H, W, D] averaged over factor x factor pixels (partial ones at the end, too), a band of rows at a time."""
    bands = []
    for top in range(0, channel.shape[0], 16 * factor):
        band = channel[top : top + 16 * factor].permute(2, 0, 1).float()[None]  # depth as channels
        bands.append(F.avg_pool2d(band, factor, ceil_mode=True)[0].cpu())
    return np.asarray(torch.cat(bands, dim=1).permute(1, 2, 0))
