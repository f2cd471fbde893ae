"""The part of a volume that is segmented, and the grid on which a network sees its slices.

Shapes: C channels, H rows, W columns, D slices of the volume; N slices at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .slice_labeller import Region

BLOCK = 32  # slices copied to the device, and labels copied back, at a time
_ALIGN = 32  # within this many pixels, edges of two grids nearly coincide: to about a hundredth of a pixel


@dataclass(frozen=True, kw_only=True)
class VolumeSlices:
    """The slices of a volume as a network sees them.

    Attributes:
        region: part of the volume (rows, columns, slices) to segment.
        network_size: rows and columns of these slices on the network's grid.
        context_slices: number of slices as channels, 1 or 3.
    """

    region: Region
    network_size: tuple[int, int]
    context_slices: int

    @property
    def size(self) -> tuple[int, int]:
        """Return the numbers of rows and columns of the part."""
        rows, columns, _ = self.region
        return rows.stop - rows.start, columns.stop - columns.start

    def block(self, volume: Tensor, start: int, stop: int, device: torch.device) -> Tensor:
        """Return slices start..stop of a volume [C, H, W, D] as [N, C * context_slices, H, W] float32 on the device."""
        rows, columns, _ = self.region

        def take(first: int, last: int) -> Tensor:
            return volume[:, rows, columns, first:last].permute(3, 0, 1, 2)

        if self.context_slices == 1:
            return take(start, stop).to(device, torch.float32).contiguous()
        depth = volume.shape[3]
        reach = take(max(start - 1, 0), min(stop + 1, depth)).to(device, torch.float32).contiguous()
        if start == 0:
            reach = torch.cat([reach[:1], reach])
        if stop == depth:
            reach = torch.cat([reach, reach[-1:]])
        return torch.cat([reach[:-2], reach[1:-1], reach[2:]], dim=1)


def volume_slices(
    shape: Sequence[int],
    *,
    spacing_mm: Sequence[float] | None,
    pixdim: tuple[float, float] | None,
    context_slices: int,
    body: Region | None,
) -> VolumeSlices:
    """Determine which part of a volume a network segments, and on which grid.

    Args:
        shape: shape (H, W, D) of the volume.
        spacing_mm: its in-plane spacing, if known.
        pixdim: spacing of the network's grid in mm; None for the volume's own.
        context_slices: number of slices as channels.
        body: box around the body; None for the whole volume.
    """
    height, width, depth = shape
    whole = (height, width)
    if pixdim is not None and spacing_mm is not None:
        sides = (max(1, round(n * s / p)) for n, s, p in zip(whole, spacing_mm, pixdim, strict=True))
        whole = (next(sides), next(sides))
    if body is None:
        everything = (slice(0, height), slice(0, width), slice(0, depth))
        return VolumeSlices(region=everything, network_size=whole, context_slices=context_slices)
    rows, n_rows = _aligned(body[0], height, whole[0])
    columns, n_columns = _aligned(body[1], width, whole[1])
    region = (rows, columns, body[2])
    return VolumeSlices(region=region, network_size=(n_rows, n_columns), context_slices=context_slices)


def _aligned(part: slice, n: int, n_network: int) -> tuple[slice, int]:
    """Widen a part of an axis slightly, so that pixel edges of the network's and the native grid coincide.

    A cropped slice then has exactly the pixels of the whole resampled slice. Returns the part and its network pixels.
    """
    scale = n_network / n

    def miss(edge: int) -> float:
        return abs(edge * scale - round(edge * scale))

    start = min(range(part.start, max(0, part.start - _ALIGN) - 1, -1), key=miss)
    stop = min(range(part.stop, min(n, part.stop + _ALIGN) + 1), key=miss)
    return slice(start, stop), max(1, round(stop * scale) - round(start * scale))
