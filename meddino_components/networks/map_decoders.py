"""Decoders of frozen feature maps, which segment images with an encoder that is not trained.

Shapes: B batch, L levels (blocks of the encoder, in order), C width of the encoder, D slices (1 for a
picture), h x w patches, p patch size, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MapDecoder(nn.Module):
    """The base class of decoders of maps.

    Args:
        num_levels: number of levels L that the decoder gets.
        patch_size: patch size p in pixels.

    Shape: maps [B, L, C, D, h, w] to logits [B, K, D, h * p, w * p].

    Attributes:
        halo_slices: number of neighbouring slices on either side that affect a slice's logits.
    """

    def __init__(self, *, num_levels: int, patch_size: int) -> None:
        super().__init__()
        self.num_levels, self.patch_size = num_levels, patch_size
        self.halo_slices = 0


class LinearMapDecoder(MapDecoder):
    """The linear probe of maps: classify each patch from its own vector, and interpolate between patches.

    Args:
        in_channels: width C of the encoder.
        num_levels: number of levels L; only the last one is used.
        num_classes: number of classes K.
        patch_size: patch size p in pixels.

    Shape: maps [B, L, C, D, h, w] to logits [B, K, D, h * p, w * p].
    """

    def __init__(self, *, in_channels: int, num_levels: int, num_classes: int, patch_size: int) -> None:
        super().__init__(num_levels=num_levels, patch_size=patch_size)
        # maps are not normalised: the first layer of every decoder brings channels to the same scale
        self.layers = nn.Sequential(nn.BatchNorm3d(in_channels), nn.Conv3d(in_channels, num_classes, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return _resized(self.layers(maps[:, -1]), _full_size(maps, self.patch_size))


class ConvMapDecoder(MapDecoder):
    """A shallow decoder of single slices: two 3 x 3 convolutions, each followed by doubling the resolution.

    Args:
        in_channels: width C of the encoder.
        num_levels: number of levels L; only the last one is used.
        num_classes: number of classes K.
        patch_size: patch size p in pixels.
        width: number of channels after the first convolution.

    Shape: maps [B, L, C, D, h, w] to logits [B, K, D, h * p, w * p].

    Reference: arXiv 2509.06467, 2D segmentation; depth and width were not published.
    """

    def __init__(
        self, *, in_channels: int, num_levels: int, num_classes: int, patch_size: int, width: int = 128
    ) -> None:
        super().__init__(num_levels=num_levels, patch_size=patch_size)
        self.project = nn.Sequential(nn.BatchNorm3d(in_channels), nn.Conv3d(in_channels, width, 1))
        self.stages = nn.ModuleList([_PlaneConvolution(width, width), _PlaneConvolution(width, width // 2)])
        self.classify = nn.Conv3d(width // 2, num_classes, 1)

    def forward(self, maps: Tensor) -> Tensor:
        x = self.project(maps[:, -1])
        for stage in self.stages:
            x = stage(x)
            x = _resized(x, (2 * x.shape[-2], 2 * x.shape[-1]))
        return _resized(self.classify(x), _full_size(maps, self.patch_size))


class PseudoVolumeDecoder(MapDecoder):
    """A light 3D decoder of slice maps stacked into a volume, with skips from earlier levels of the encoder.

    It starts from the deepest level. After each doubling of the in-plane resolution it adds a skip from the next
    earlier level, in which each vector expands to the pixels of its patch at that resolution. Slices are never merged;
    convolutions span slices on coarse maps (3 x 3 x 3) and stay within the plane on fine ones (1 x 3 x 3). Logits of
    all resolutions are added: the coarse ones have many channels and learn quickly, the fine ones correct them.

    Args:
        in_channels: width C of the encoder.
        num_levels: number of levels L; if there are fewer levels than doublings, the first one is used for the rest.
        num_classes: number of classes K.
        patch_size: patch size p in pixels; a factor that remains after the doublings is interpolated.
        width: number of channels on the coarsest maps, halved with each doubling, at least 8.

    Shape: maps [B, L, C, D, h, w] to logits [B, K, D, h * p, w * p].

    Reference: arXiv 2509.06467, 3D segmentation: stacked maps, a light 3D convolutional decoder with skips; its layers
    were not published. Added logits: Long et al., Fully convolutional networks, arXiv 1411.4038.
    """

    def __init__(
        self, *, in_channels: int, num_levels: int, num_classes: int, patch_size: int, width: int = 64
    ) -> None:
        super().__init__(num_levels=num_levels, patch_size=patch_size)
        n_doublings = max(1, patch_size.bit_length() - 1)
        widths = [max(8, width >> k) for k in range(n_doublings + 1)]
        self.normalize = nn.ModuleList([nn.BatchNorm3d(in_channels) for _ in range(num_levels)])
        self.project = nn.Conv3d(in_channels, widths[0], 1)
        self.first = _VolumeConvolution(widths[0], widths[0])
        self.skip_levels = [max(0, num_levels - 2 - k) for k in range(n_doublings)]
        self.skips = nn.ModuleList(
            [nn.Conv3d(in_channels, narrow << 2 * (k + 1), 1) for k, narrow in enumerate(widths[1:])]
        )
        n_deep = n_doublings // 2
        self.stages = nn.ModuleList(
            [
                (_VolumeConvolution if k < n_deep else _PlaneConvolution)(wide + narrow, narrow)
                for k, (wide, narrow) in enumerate(pairwise(widths))
            ]
        )
        self.halo_slices = 1 + n_deep
        self.classify = nn.ModuleList([nn.Conv3d(channels, num_classes, 1) for channels in widths])

    def forward(self, maps: Tensor) -> Tensor:
        levels = [norm(maps[:, k]) for k, norm in enumerate(self.normalize)]
        x = self.first(self.project(levels[-1]))
        logits = self.classify[0](x)
        for number, (stage, skip, level) in enumerate(zip(self.stages, self.skips, self.skip_levels, strict=True)):
            fine = _in_planes(skip(levels[level]), partial(F.pixel_shuffle, upscale_factor=2 << number))
            size = (fine.shape[-2], fine.shape[-1])
            x = stage(torch.cat((_resized(x, size), fine), 1))
            logits = _resized(logits, size) + self.classify[number + 1](x)
        return _resized(logits, _full_size(maps, self.patch_size))


class _PlaneConvolution(nn.Module):
    """3 x 3 convolution of each plane of [B, C, D, h, w]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        # treat planes as a batch of pictures: torch is slow for thin kernels on one volume
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.GELU()
        )

    def forward(self, volume: Tensor) -> Tensor:
        return _in_planes(volume, self.layers)


class _VolumeConvolution(nn.Sequential):
    """3 x 3 x 3 convolution of [B, C, D, h, w]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        # batch norm, not instance norm: a block of slices then gives the same result as the whole volume
        super().__init__(
            nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm3d(out_channels), nn.GELU()
        )


def _full_size(maps: Tensor, patch_size: int) -> tuple[int, int]:
    return maps.shape[-2] * patch_size, maps.shape[-1] * patch_size


def _resized(volume: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, C, D, h, w] -> [B, C, D, *size], bilinear in each plane."""
    if volume.shape[-2:] == size:
        return volume
    return _in_planes(volume, lambda planes: F.interpolate(planes, size=size, mode="bilinear", align_corners=False))


def _in_planes(volume: Tensor, operation: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply an operation on [N, C, h, w] to the planes of [B, C, D, h, w]."""
    planes = operation(volume.transpose(1, 2).flatten(0, 1))
    return planes.unflatten(0, (volume.shape[0], volume.shape[2])).transpose(1, 2)
