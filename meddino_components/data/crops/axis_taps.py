"""Filter images by weighted sums along each axis: antialiased resizing, smoothing, low resolution.

A filter along one axis is a short run of input pixels (taps) and their weights for every output pixel, so that a crop
costs two passes over its window. ``embedding_bag`` adds weighted rows on any device, in full fp32, for a batch of
windows of different sizes. For the crops of a sample on CPU it takes a third less time than
``interpolate(antialias=True)`` crop by crop (`benchmarks/multi_crop.py`), whose positions in fp32 are also off by up to
0.1 HU at sharp edges.

Shapes: N filters (one per crop), H, W sides of an image, R its rows, S side of the output, T taps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


class AxisTaps(NamedTuple):
    """``pixels`` [N, S, T]: indices of input pixels along the axis; ``weights`` [N, S, T] fp32."""

    pixels: Tensor
    weights: Tensor


def filter_images(images: Tensor, rows: AxisTaps, columns: AxisTaps) -> Tensor:
    """Apply a separate filter to each image, along both axes.

    Args:
        images: images [N, H, W] fp32, contiguous.
        rows: filters for each row of the output.
        columns: filters for each column of the output.

    Returns:
        Images [N, S, S], as a transposed view.
    """
    n, height, width = images.shape
    numbers = torch.arange(n, device=images.device).view(-1, 1, 1)
    narrow = weighted_rows(images.view(-1, width), rows.pixels + numbers * height, rows.weights)
    flat = narrow.transpose(1, 2).reshape(n * width, -1)
    return weighted_rows(flat, columns.pixels + numbers * width, columns.weights).transpose(1, 2)


def weighted_rows(image: Tensor, pixels: Tensor, weights: Tensor) -> Tensor:
    """Sum rows ``pixels`` [N, S, T] of one image [R, W] fp32, multiplied by ``weights``; returns [N, S, W]."""
    n, size, n_taps = pixels.shape
    sums = embedding_bag(pixels.reshape(-1, n_taps), image, mode="sum", per_sample_weights=weights.reshape(-1, n_taps))
    return sums.view(n, size, -1)


def bicubic_taps(
    starts: Tensor, lengths: Tensor, *, size: int, shortest: int, longest: int, flips: Tensor | None = None
) -> AxisTaps:
    """Return taps of antialiased bicubic resizing to ``size`` pixels (a = -0.5, wider by the factor of reduction).

    Args:
        starts: first pixel of each window, [N].
        lengths: number of pixels of each window, [N]; pixels outside have no weight.
        size: number of pixels of the output.
        shortest: lower bound of the window lengths.
        longest: upper bound of the window lengths. Both bounds avoid reading ``lengths``, which may be on a GPU.
        flips: whether each output is mirrored, [N].

    Reference: Keys, Cubic convolution interpolation, IEEE TASSP 29 (1981); as Pillow's and torch's antialiased one.
    """
    n_taps = math.ceil(4 * max(longest / size, 1)) + 1
    # positions in fp64: in fp32 they are off by 1e-5 pixels, which is visible at a sharp edge of 3000 HU
    position = torch.arange(size, device=starts.device, dtype=torch.float64) + 0.5
    if flips is not None:
        position = torch.where(flips[:, None], size - position, position)
    step = (lengths.to(torch.float64) / size)[:, None]
    width = step.clamp(min=1)
    centre = position * step
    # shift the taps into the window; taps beyond the filter's reach get no weight there
    last = (lengths - n_taps).clamp_(min=0)[:, None]
    first = (centre - 2 * width).floor_().clamp_(min=0).minimum(last)
    # the axis of taps comes first while computing, for long vectors
    taps = torch.arange(n_taps, device=starts.device)
    offset, gain = ((first + 0.5 - centre) / width).float(), (1 / width).float()
    weights = _cubic(torch.addcmul(offset, gain, taps.float().view(-1, 1, 1)))
    first = first.long()
    if shortest < n_taps:
        weights *= first + taps.view(-1, 1, 1) < lengths[:, None]
    weights /= weights.sum(0)
    pixels = (first + starts[:, None])[..., None] + taps
    if shortest < n_taps:
        pixels = pixels.minimum((starts + lengths - 1).view(-1, 1, 1))
    return AxisTaps(pixels, weights.permute(1, 2, 0).contiguous())


def _cubic(x: Tensor) -> Tensor:
    """Keys' kernel as v^2 (1 - 2 v) + u^2 (u - 1) / 2 with u = max(2 - |x|, 0) and v = max(1 - |x|, 0)."""
    u = (2 - x.abs_()).clamp_(min=0)
    outer = u - 1
    v = outer.clamp(min=0)
    return torch.rsub(v, 1, alpha=2).mul_(v).mul_(v).add_(outer.mul_(u).mul_(u), alpha=0.5)


def gaussian_taps(sigmas: Tensor, *, size: int, largest: float) -> AxisTaps:
    """Return taps for Gaussian smoothing, integrated over pixels as in MONAI's GaussianSmooth; edges repeat.

    Args:
        sigmas: standard deviations in pixels, [N], above 0.
        size: number of pixels of input and output.
        largest: upper bound of ``sigmas``, which sets the number of taps.
    """
    reach = int(4 * largest + 0.5)
    offset = torch.arange(-reach, reach + 1, device=sigmas.device)
    edges = (offset[:, None] + torch.tensor([-0.5, 0.5], device=sigmas.device)) / (sigmas.view(-1, 1, 1) * math.sqrt(2))
    weights = torch.erf(edges).diff(dim=-1)[..., 0]
    weights = weights / weights.sum(-1, keepdim=True)
    pixels = (torch.arange(size, device=sigmas.device)[:, None] + offset).clamp_(0, size - 1)
    shape = (len(sigmas), size, len(offset))
    return AxisTaps(pixels.expand(shape), weights[:, None].expand(shape))


def low_resolution_taps(coarse: Tensor, *, size: int) -> AxisTaps:
    """Return taps that reduce to ``coarse`` pixels and interpolate back, like MONAI's RandSimulateLowResolution.

    Args:
        coarse: numbers of coarse pixels, [N], integers from 1 to ``size``.
        size: number of pixels of input and output.
    """
    coarse = coarse[:, None]
    position = (torch.arange(size, device=coarse.device, dtype=torch.float64) + 0.5) * coarse / size - 0.5
    position = position.clamp(min=0)
    lower = position.long()
    share = (position - lower).float()
    pixels = torch.stack((lower, torch.minimum(lower + 1, coarse - 1)), dim=-1) * size // coarse[..., None]
    return AxisTaps(pixels, torch.stack((1 - share, share), dim=-1))
