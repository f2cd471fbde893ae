"""Slices on another grid in plane: the functions that training and inference share.

Shapes: N slices, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom
from torch import Tensor
from torch.nn.functional import interpolate

ImageResampling = Literal["bilinear", "cubic"]
LabelResampling = Literal["nearest", "per_label"]
ResampleMode = Literal["bilinear", "cubic", "nearest", "per_label"]
MODES: tuple[ResampleMode, ...] = ("bilinear", "cubic", "nearest", "per_label")


def resize_slices(slices: Tensor, size: Sequence[int], mode: ResampleMode = "bilinear") -> Tensor:
    """Resample slices in plane. Pixel edges are aligned (`align_corners=False`).

    Args:
        slices: [N, C, H, W]; converted to float32 for "bilinear" and "cubic" unless floating, kept in their type for
            "nearest" and "per_label".
        size: rows and columns of the result.
        mode: of images "bilinear", which is low-pass filtered where slices shrink, or "cubic", the B-spline of order 3
            by which nnU-Net resamples images: without a filter, and kept within each slice's range. Of labels
            "nearest", or "per_label", nnU-Net's way: each label is interpolated linearly by itself, and
            the largest share wins.

    Returns:
        [N, C, size[0], size[1]].

    Raises:
        ValueError: another mode.

    Reference:
        Isensee et al., nnU-Net, Nature Methods 2021: images of order 3, segmentations of order 1.
    """
    height, width = int(size[0]), int(size[1])
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; expected one of {', '.join(map(repr, MODES))}")
    is_image = mode in ("bilinear", "cubic")
    if is_image and not slices.is_floating_point():
        slices = slices.float()
    if tuple(slices.shape[-2:]) == (height, width):
        return slices
    if mode == "nearest":
        return interpolate(slices, size=(height, width), mode="nearest-exact")
    if mode == "per_label":
        return _largest_share(slices, (height, width))
    if mode == "cubic":
        return _spline(slices, (height, width))
    shrinks = height < slices.shape[-2] or width < slices.shape[-1]
    return interpolate(slices, size=(height, width), mode="bilinear", align_corners=False, antialias=shrinks)


def _spline(slices: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolation is linear in the pixels and separable, so it is two products with matrices that are made once."""
    rows, columns = (
        torch.from_numpy(_spline_weights(n, n_new)).to(slices.device)
        for n, n_new in zip(slices.shape[-2:], size, strict=True)
    )
    # in bfloat16 a spline's weights would lose what it is better by
    with torch.autocast(slices.device.type, enabled=False):
        resized = rows @ slices.float() @ columns.T
    low, high = slices.amin((-2, -1), keepdim=True), slices.amax((-2, -1), keepdim=True)
    return resized.to(slices.dtype).clamp(low, high)


@lru_cache(maxsize=32)
def _spline_weights(n: int, n_new: int) -> NDArray[np.float32]:
    """[n_new, n]: what each pixel of a line gives to each new one, by SciPy's spline with repeated edges."""
    weights = zoom(np.eye(n), (n_new / n, 1), order=3, mode="nearest", grid_mode=True)
    return np.ascontiguousarray(weights, dtype=np.float32)


def _largest_share(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Of equal shares the lower label wins."""
    resized = labels.new_zeros(*labels.shape[:2], *size)
    largest = torch.zeros(resized.shape, device=labels.device)
    for label in labels.unique():
        share = interpolate((labels == label).float(), size=size, mode="bilinear", align_corners=False)
        wins = share > largest
        resized[wins] = label
        torch.maximum(largest, share, out=largest)
    return resized
