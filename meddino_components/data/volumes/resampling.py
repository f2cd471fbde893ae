"""Resample slices in plane, by functions that training and inference share.

Shapes: N slices of a batch, C channels, H rows, W columns, D slices of a volume.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple
from numpy.typing import NDArray
from scipy.ndimage import zoom
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ...errors import InputError

_CHUNK_PIXELS = 2**24  # input pixels per chunk of slices while resampling

ImageResampling = Literal["bilinear", "cubic"]
LabelResampling = Literal["nearest", "per_label"]
ResampleMode = Literal["bilinear", "cubic", "nearest", "per_label"]
MODES: tuple[ResampleMode, ...] = ("bilinear", "cubic", "nearest", "per_label")


def resize_slices(slices: Tensor, size: Sequence[int], mode: ResampleMode = "bilinear") -> Tensor:
    """Resample slices in plane. Pixel edges are aligned (`align_corners=False`).

    Args:
        slices: slices [N, C, H, W]; converted to float32 for "bilinear" and "cubic" unless floating, kept in their type
            for "nearest" and "per_label".
        size: numbers of rows and columns of the result.
        mode: interpolation. For images "bilinear", which is low-pass filtered if slices shrink, or "cubic", nnU-Net's
            B-spline of order 3 without a filter, limited to each slice's range. For labels "nearest", or "per_label" as
            in nnU-Net: each label is interpolated linearly by itself, and the largest share wins.

    Returns:
        Slices [N, C, size[0], size[1]].

    Raises:
        ValueError: the mode is unknown.

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
    """Resample by a spline: this is linear in the pixels and separable, so it is two products with cached matrices."""
    rows, columns = (
        torch.from_numpy(_spline_weights(n, n_new)).to(slices.device)
        for n, n_new in zip(slices.shape[-2:], size, strict=True)
    )
    # bfloat16 weights would lose the spline's advantage
    with torch.autocast(slices.device.type, enabled=False):
        resized = rows @ slices.float() @ columns.T
    low, high = slices.amin((-2, -1), keepdim=True), slices.amax((-2, -1), keepdim=True)
    return resized.to(slices.dtype).clamp(low, high)


@lru_cache(maxsize=32)
def _spline_weights(n: int, n_new: int) -> NDArray[np.float32]:
    """Return the weight of each pixel of a line for each new one, [n_new, n], by SciPy's spline with repeated edges."""
    weights = zoom(np.eye(n), (n_new / n, 1), order=3, mode="nearest", grid_mode=True)
    return np.ascontiguousarray(weights, dtype=np.float32)


def _largest_share(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Choose the label with the largest share; the lower label if shares are equal."""
    resized = labels.new_zeros(*labels.shape[:2], *size)
    largest = torch.zeros(resized.shape, device=labels.device)
    for label in labels.unique():
        share = interpolate((labels == label).float(), size=size, mode="bilinear", align_corners=False)
        wins = share > largest
        resized[wins] = label
        torch.maximum(largest, share, out=largest)
    return resized


def in_plane_spacing(affine: torch.Tensor | np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the spacing in mm (between rows, between columns) of a volume [H, W, D] with this affine [4, 4]."""
    matrix = np.asarray(affine, dtype=float)
    lengths = np.linalg.norm(matrix[:3, :2], axis=0)
    return float(lengths[0]), float(lengths[1])


def fit_to_square(
    slices: torch.Tensor, *, spacing: tuple[float, float], size_px: int, mode: ResampleMode = "bilinear"
) -> torch.Tensor:
    """Fit slices into a square that keeps their proportions in mm.

    The longer side becomes ``size_px``; the other is padded on both sides, images with the lowest intensity of the
    slices (air), labels with 0.

    Args:
        slices: slices [N, C, H, W].
        spacing: spacing in mm between rows and between columns.
        size_px: number of rows and columns of the result.
        mode: interpolation, "bilinear" for images, "nearest" for labels.
    """
    rows, columns = _place_in_square(slices.shape[-2:], spacing, size_px)
    resized = resize_slices(slices, (rows.stop - rows.start, columns.stop - columns.start), mode)
    edges = (columns.start, size_px - columns.stop, rows.start, size_px - rows.stop)
    return pad(resized, edges, value=0.0 if mode == "nearest" else float(resized.min()))


def fit_from_square(scores: torch.Tensor, *, size: Sequence[int], spacing: tuple[float, float]) -> torch.Tensor:
    """Bring scores on the square of `fit_to_square` back to the slices' own grid, without the padding.

    Args:
        scores: scores [N, C, S, S].
        size: numbers of rows and columns of the original slices.
        spacing: spacing in mm between rows and between columns of the original slices.

    Returns:
        Slices [N, C, size[0], size[1]].
    """
    rows, columns = _place_in_square(size, spacing, scores.shape[-1])
    return resize_slices(scores[..., rows, columns], size, "bilinear")


def _place_in_square(size: Sequence[int], spacing: tuple[float, float], size_px: int) -> tuple[slice, slice]:
    """Return the rows and columns of a square that slices of this size and spacing occupy."""
    extent = [n * mm for n, mm in zip(size, spacing, strict=True)]
    lengths = [max(1, round(size_px * e / max(extent))) for e in extent]
    rows, columns = (slice((size_px - n) // 2, (size_px - n) // 2 + n) for n in lengths)
    return rows, columns


class ResampleInPlaned(MapTransform):
    """Resample each slice of `MetaTensor` [C, H, W, D] to an in-plane spacing; nothing happens across slices.

    The number of pixels is rounded and the extent of the image (outer pixel edges) kept exactly, so the spacing of the
    result may differ from `pixdim` by less than one pixel over the image; the affine has the exact value. The transform
    is not invertible: `VolumeInferer` resamples by itself.

    Args:
        keys: items with volumes to resample.
        pixdim: target spacing in mm, one number or (rows, columns).
        mode: interpolation, see `resize_slices`, one for all keys or one for each.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: a spacing is not positive, or the mode is unknown.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        pixdim: float | Sequence[float],
        mode: ResampleMode | Sequence[ResampleMode] = "bilinear",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        pair = [float(p) for p in ensure_tuple(pixdim)]
        self.pixdim = (pair[0], pair[-1])
        if len(pair) > 2 or not all(math.isfinite(p) and p > 0 for p in pair):
            raise InputError(f"pixdim is {pixdim}; expected one or two positive numbers (mm).")
        modes = ensure_tuple(mode)
        if unknown := [name for name in modes if name not in MODES]:
            raise InputError(f"resampling is {unknown[0]!r}; expected one of {', '.join(MODES)}.")
        self.modes = modes if len(modes) == len(self.keys) else modes * len(self.keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key, mode in self.key_iterator(case, self.modes):
            case[key] = self._resample(case[key], mode)
        return case

    def _resample(self, volume: MetaTensor, mode: ResampleMode) -> MetaTensor:
        shape = volume.shape
        spacing = in_plane_spacing(volume.affine)
        size = [max(1, round(n * s / p)) for n, s, p in zip(shape[1:3], spacing, self.pixdim, strict=True)]
        slices = volume.as_tensor().permute(3, 0, 1, 2)
        chunk = max(1, _CHUNK_PIXELS // (shape[0] * shape[1] * shape[2]))
        parts = [resize_slices(part, size, mode) for part in slices.split(chunk)]
        affine = volume.affine.clone()
        for axis in (0, 1):
            scale = shape[1 + axis] / size[axis]
            affine[:3, 3] += volume.affine[:3, axis] * (scale - 1) / 2  # centre of the first pixel
            affine[:3, axis] *= scale
        # slices stay contiguous in memory, as they are read next
        resampled = torch.cat(parts).permute(1, 2, 3, 0)
        meta = {k: v for k, v in volume.meta.items() if k != "affine"}
        return MetaTensor(resampled, affine=affine, meta=meta, applied_operations=volume.applied_operations)
