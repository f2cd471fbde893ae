"""Render crops from slices: one sample on CPU in a loader's worker, or a whole batch on a GPU, with the same pixels.

A `CropPlan` holds all random values. A slice keeps its stored 16-bit values until its crop is interpolated; values are
clipped only afterwards, since interpolation overshoots, and then normalised.

Shapes: B slices, H, W their sides, n crops of a slice, N = n * B crops, crop-major ([crop 0 of all slices, crop 1 of
all slices, ...]), S side of a crop, K crops with noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .axis_taps import bicubic_taps, weighted_rows
from .distortions import DrawnDistortions, distort_, draw_noise
from .store_intensity import Normalization


@dataclass(frozen=True, kw_only=True)
class CropPlan:
    """The windows of crops of one size, and how they are changed.

    Attributes:
        size: side S of the crops.
        windows: windows in the slice, [n, 4]: top row, left column, rows, columns.
        flips: whether left and right are swapped, [n].
        distortions: distortions of the crops; None for none.
    """

    size: int
    windows: NDArray[np.int64]
    flips: NDArray[np.bool_]
    distortions: DrawnDistortions | None = None


@dataclass(frozen=True, kw_only=True)
class UnrenderedSample:
    """A slice [H, W] int16 and its plans by kind (``global_crops``, ``local_crops``, ``gram_teacher_crops``)."""

    pixels: NDArray[np.int16]
    normalization: Normalization
    plans: Mapping[str, CropPlan]


def render_sample(sample: UnrenderedSample) -> dict[str, list[Tensor]]:
    """Return n crops [1, S, S] fp32 for each kind."""
    return {kind: list(_render_windows(sample, plan).unbind()) for kind, plan in sample.plans.items()}


def _render_windows(sample: UnrenderedSample, plan: CropPlan) -> Tensor:
    """Render [n, 1, S, S] from the windows alone, which are far smaller than n slices."""
    n = len(plan.windows)
    pixels = torch.from_numpy(sample.pixels)
    images = torch.empty(n, *plan.windows[:, 2:].max(axis=0).tolist())
    for image, (top, left, height, width) in zip(images, plan.windows.tolist(), strict=True):
        image[:height, :width] = pixels[top : top + height, left : left + width]
    crops = _resize(images, plan, sources=torch.arange(n), corners=torch.zeros(2, n, dtype=torch.long))
    low, high, mean, std = sample.normalization
    crops.clamp_(low, high).sub_(mean).div_(std)
    if plan.distortions is not None:
        distort_(crops, plan.distortions, draw_noise(plan.distortions, plan.size))
    return crops[:, None]


def _resize(images: Tensor, plan: CropPlan, sources: Tensor, corners: Tensor) -> Tensor:
    """Return crops [N, S, S] from images ``sources`` [N] of ``images`` [B, H, W], at ``corners`` [2, N]."""
    n, (_, height, width), device = len(plan.windows), images.shape, images.device
    sizes = torch.from_numpy(plan.windows[:, 2:].T.flatten()).to(device, non_blocking=True)
    flips = torch.from_numpy(np.concatenate((np.zeros(n, dtype=np.bool_), plan.flips))).to(device, non_blocking=True)
    # stack all images vertically; after the filter along rows, all crops are stacked, too, transposed
    offsets = torch.stack((sources * height, torch.arange(n, device=device) * width))
    pixels, weights = bicubic_taps(
        (corners + offsets).flatten(),
        sizes,
        size=plan.size,
        shortest=int(plan.windows[:, 2:].min()),
        longest=int(plan.windows[:, 2:].max()),
        flips=flips,
    )
    narrow = weighted_rows(images.view(-1, width), pixels[:n], weights[:n])
    narrow = narrow.transpose(1, 2).reshape(n * width, plan.size)
    return weighted_rows(narrow, pixels[n:], weights[n:]).transpose(1, 2).contiguous()


@dataclass(frozen=True, kw_only=True)
class UnrenderedBatch:
    """Slices and plans of a batch, for `render_batch`.

    Attributes:
        slices: slices [B, H, W] int16; smaller ones are padded below and to the right, outside of all windows.
        normalizations: fields of `Normalization`, [B, 4] fp32.
        plans: plans for N crops, by kind.
        noise: noise fields [K, S, S] from `draw_noise`, by kind.
    """

    slices: Tensor
    normalizations: Tensor
    plans: Mapping[str, CropPlan]
    noise: Mapping[str, Tensor]

    def pin_memory(self) -> UnrenderedBatch:
        """Pin the memory; a DataLoader that pins memory calls this."""
        noise = {kind: fields.pin_memory() for kind, fields in self.noise.items()}
        return replace(self, slices=self.slices.pin_memory(), noise=noise)


def collate_unrendered(samples: Sequence[UnrenderedSample]) -> UnrenderedBatch:
    """Collate slices and plans of several samples, and draw their noise.

    Raises:
        ValueError: crops of the samples differ in size or number.
    """
    height, width = (max(sample.pixels.shape[axis] for sample in samples) for axis in range(2))
    slices = torch.zeros(len(samples), height, width, dtype=torch.int16)
    for target, sample in zip(slices, samples, strict=True):
        h, w = sample.pixels.shape
        target[:h, :w] = torch.from_numpy(sample.pixels)
    plans = {kind: _crop_major([sample.plans[kind] for sample in samples]) for kind in samples[0].plans}
    return UnrenderedBatch(
        slices=slices,
        normalizations=torch.tensor([sample.normalization for sample in samples]),
        plans=plans,
        noise={
            kind: draw_noise(plan.distortions, plan.size)
            for kind, plan in plans.items()
            if plan.distortions is not None
        },
    )


def _crop_major(plans: Sequence[CropPlan]) -> CropPlan:
    if len({(plan.size, len(plan.windows)) for plan in plans}) > 1:
        raise ValueError("samples of a batch must have the same number and size of crops")

    def stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.stack(arrays, axis=1).reshape(-1, *arrays[0].shape[1:])

    drawn = [plan.distortions for plan in plans if plan.distortions is not None]
    return CropPlan(
        size=plans[0].size,
        windows=stacked([plan.windows for plan in plans]),
        flips=stacked([plan.flips for plan in plans]),
        distortions=DrawnDistortions(*map(stacked, zip(*drawn, strict=True))) if drawn else None,
    )


def render_batch(batch: UnrenderedBatch, device: torch.device) -> dict[str, Tensor]:
    """Return crops [N, 1, S, S] fp32 on ``device``, by kind.

    They equal those of `render_sample` up to rounding: resizing and filters use full fp32 whatever the settings of TF32
    and autocast, and the noise is the same. Nothing waits for the device.
    """
    images = batch.slices.to(device, non_blocking=True).float()
    normalizations = batch.normalizations.to(device, non_blocking=True)
    rendered = {}
    for kind, plan in batch.plans.items():
        sources = torch.arange(len(images), device=device).repeat(len(plan.windows) // len(images))
        corners = torch.from_numpy(plan.windows[:, :2].T.copy()).to(device, non_blocking=True)
        crops = _resize(images, plan, sources, corners)
        low, high, mean, std = normalizations[sources].T.reshape(4, -1, 1, 1)
        crops.clamp_(low, high).sub_(mean).div_(std)
        if plan.distortions is not None:
            distort_(crops, plan.distortions, batch.noise[kind].to(device, non_blocking=True))
        rendered[kind] = crops[:, None]
    return rendered
