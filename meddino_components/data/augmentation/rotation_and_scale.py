"""Rotate and scale a slice and its labels in one interpolation.

Shapes: C channels, H x W input size, h x w window size.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from ..volumes.marked_background import value_outside


class RandRotateScaled(MapTransform, RandomizableTransform):
    """Rotate and scale a slice about its centre, each with its own probability, and crop the window in the middle.

    Both are drawn independently, as in nnU-Net: with its defaults, of 100 slices 16 are only rotated, 16 only scaled,
    and 4 both. All other slices are cropped without interpolation.

    Args:
        roi_size: window size (h, w).
        rotation: largest angle of rotation in either direction, in radians.
        rotation_probability: share of slices that are rotated.
        scale: lowest and highest factor by which the window covers more, the same for both axes: above 1, objects
            become smaller.
        scale_probability: share of slices that are scaled.
        background: background value of the image, see `value_outside`; pixels from beyond the slice get it, and label
            0.
        keys: items with the image [C, H, W], interpolated linearly, and the label [1, H, W]: each of its numbers is
            interpolated separately, and the largest share wins.

    Reference:
        Isensee et al., nnU-Net, Nature Methods 2021, supplementary note 4.
    """

    def __init__(
        self,
        *,
        roi_size: Sequence[int],
        rotation: float = math.pi,
        rotation_probability: float = 0.2,
        scale: Sequence[float] = (0.7, 1.4),
        scale_probability: float = 0.2,
        background: float | None = None,
        keys: Sequence[str] = ("image", "label"),
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, 1.0)
        self.image_key, self.label_key = keys
        self.roi_size = (int(roi_size[0]), int(roi_size[1]))
        self.rotation, self.rotation_probability = rotation, rotation_probability
        self.scale, self.scale_probability = (float(scale[0]), float(scale[1])), scale_probability
        self.outside = value_outside(background)
        self.angle, self.factor = 0.0, 1.0

    def randomize(self, data: Any = None) -> None:
        """Draw angle and factor; 0 and 1 if unchanged."""
        turned, scaled = self.R.random_sample(2) < (self.rotation_probability, self.scale_probability)
        self.angle = float(self.R.uniform(-self.rotation, self.rotation)) if turned else 0.0
        self.factor = float(self.R.uniform(*self.scale)) if scaled else 1.0

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        self.randomize()
        image, label = (convert_to_tensor(item[key], track_meta=False) for key in (self.image_key, self.label_key))
        if self.angle == 0.0 and self.factor == 1.0:
            item[self.image_key] = _middle(image, self.roi_size, self.outside)
            item[self.label_key] = _middle(label, self.roi_size, 0)
            return item
        grid = self._grid(image.shape[1:])
        # grid_sample can only pad with 0
        shifted = image - self.outside if self.outside else image
        sampled = grid_sample(shifted[None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)[0]
        item[self.image_key] = sampled + self.outside if self.outside else sampled
        item[self.label_key] = sample_labels(label[0], grid)[None]
        return item

    def _grid(self, size: Sequence[int]) -> Tensor:
        """Return the source (x, y) of each pixel, [h, w, 2], with -1 and 1 at the outer edges of the slice."""
        (height, width), (rows, columns) = size, self.roi_size
        cos, sin = math.cos(self.angle) * self.factor, math.sin(self.angle) * self.factor
        theta = torch.tensor(
            [
                [cos * columns / width, sin * rows / width, 0.0],
                [-sin * columns / height, cos * rows / height, 0.0],
            ]
        )
        return affine_grid(theta[None], [1, 1, rows, columns], align_corners=False)[0]


def sample_labels(labels: Tensor, grid: Tensor) -> Tensor:
    """Sample labels on a grid: each number is interpolated linearly by itself, and the largest share wins.

    Only four pixels contribute to a point, so the cost does not depend on how many labels there are; points whose four
    pixels agree need no interpolation. If shares are equal, the upper left pixel wins.

    Args:
        labels: label map [H, W].
        grid: points [h, w, 2] as in `grid_sample` with `align_corners=False`.

    Returns:
        Labels [h, w] in the type of ``labels``; 0 outside.
    """
    height, width = labels.shape
    # one pixel of 0 before the first pixel, two after the last
    around = pad(labels[None], (1, 2, 1, 2))[0]
    differs = torch.zeros_like(around, dtype=torch.bool)
    corners = around[:-1, :-1]
    differs[:-1, :-1] = (around[:-1, 1:] != corners) | (around[1:, :-1] != corners) | (around[1:, 1:] != corners)
    column = (((grid[..., 0] + 1) * width - 1) / 2).clamp_(-1, width)
    row = (((grid[..., 1] + 1) * height - 1) / 2).clamp_(-1, height)
    left, top = column.floor(), row.floor()
    corner = ((top + 1) * (width + 3) + left + 1).long()
    around = around.flatten()
    sampled = around[corner]
    places = differs.flatten()[corner].nonzero(as_tuple=True)
    right, down = (column - left)[places], (row - top)[places]
    weights = torch.stack([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down])
    of_places = torch.stack([around[corner[places] + offset] for offset in (0, 1, width + 3, width + 4)])
    shares = torch.stack([(weights * (of_places == mine)).sum(0) for mine in of_places])
    sampled[places] = of_places.gather(0, shares.argmax(0, keepdim=True))[0]
    return sampled


def _middle(pixels: Tensor, size: tuple[int, int], outside: float) -> Tensor:
    """Return the window [C, h, w] in the middle of [C, H, W], padded with a value if the slice is smaller."""
    starts = [(have - want) // 2 for have, want in zip(pixels.shape[1:], size, strict=True)]
    edges = [
        n for start, have, want in zip(starts[::-1], pixels.shape[:0:-1], size[::-1], strict=True)
        for n in (-start, want - have + start)
    ]  # fmt: skip
    return pad(pixels, edges, value=outside) if any(edges) else pixels
