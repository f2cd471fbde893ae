"""One slice of a scan: the picture to draw, the encoder's input, and the coordinates that both share.

The encoder gets the slice padded to a square (`fit_to_square`) of any size. Coordinates in this square are shares of
its side, x to the patient's left and y to posterior, so they are valid at every resolution.

Shapes: H rows, W columns of the slice; N size of the square; h, w patches of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..data import body_mask
from ..data.volumes.ct_or_mr import Modality
from ..data.volumes.resampling import fit_to_square
from ..embeddings import FrozenEncoder
from ..embeddings.encoders import check_size
from ..errors import InputError

_CT_WINDOW_HU = (-160.0, 240.0)  # level 40, width 400: soft tissue of the abdomen
_MARGIN = 0.02  # margin around the body, as a share of the square's side


@dataclass(frozen=True)
class Place:
    """A point in a scan: index of its slice, and row and column, counted from 0 and not rounded."""

    index: int
    row: float
    column: float


@dataclass(frozen=True)
class Box:
    """A rectangle in the square, in shares of the square's side."""

    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class ScanSlice:
    """A slice of a `Scan`.

    Attributes:
        scan: name of the scan.
        modality: "ct" or "mr".
        index: index of the slice, from 0 at the lowest.
        image: intensities in the units of the file [H, W].
        clipped: intensities clipped by the rule of the modality and scaled to 0 to 1 [H, W].
        normalised: intensities normalised to zero mean and unit deviation [H, W].
        spacing_mm: distance between rows and between columns.
    """

    scan: str
    modality: Modality
    index: int
    image: NDArray[np.float32]
    clipped: Tensor
    normalised: Tensor
    spacing_mm: tuple[float, float]

    @property
    def name(self) -> str:
        """Modality and slice index, for titles."""
        return f"{self.modality.upper()}, slice {self.index}"

    @property
    def side_mm(self) -> float:
        """Side of the square in mm."""
        return max(n * mm for n, mm in zip(self.image.shape, self.spacing_mm, strict=True))

    @property
    def box(self) -> Box:
        """Part of the square that the slice fills; the rest is padding."""
        high, wide = (n * mm / self.side_mm for n, mm in zip(self.image.shape, self.spacing_mm, strict=True))
        return Box(left=(1 - wide) / 2, right=(1 + wide) / 2, top=(1 - high) / 2, bottom=(1 + high) / 2)

    @cached_property
    def body(self) -> NDArray[np.bool_]:
        """Mask of the body, see `body_mask` [H, W].

        Raises:
            InputError: the slice shows only air.
        """
        mask = body_mask(self.clipped.numpy(), modality=self.modality, spacing_mm=self.spacing_mm)
        if not mask.any():
            raise InputError(f"{self.scan}: slice {self.index} shows only air. Choose another slice")
        return mask

    @property
    def body_box(self) -> Box:
        """Bounding box of the body in the square, with a margin."""
        rows, columns = (np.flatnonzero(self.body.any(axis=axis)) for axis in (1, 0))
        left, top = self.to_square(float(rows[0]) - 0.5, float(columns[0]) - 0.5)
        right, bottom = self.to_square(float(rows[-1]) + 0.5, float(columns[-1]) + 0.5)
        inner = self.box
        return Box(
            left=max(inner.left, left - _MARGIN),
            right=min(inner.right, right + _MARGIN),
            top=max(inner.top, top - _MARGIN),
            bottom=min(inner.bottom, bottom + _MARGIN),
        )

    def to_square(self, row: float, column: float) -> tuple[float, float]:
        """Return x and y in the square for a row and column of the slice."""
        row_mm, column_mm = self.spacing_mm
        box = self.box
        return box.left + (column + 0.5) * column_mm / self.side_mm, box.top + (row + 0.5) * row_mm / self.side_mm

    def is_body(self, x: float, y: float) -> bool:
        """Return whether a position in the square lies in the body."""
        row, column = ((at - start) * self.side_mm for at, start in ((y, self.box.top), (x, self.box.left)))
        at = int(row / self.spacing_mm[0]), int(column / self.spacing_mm[1])
        inside = row >= 0 and column >= 0 and at[0] < self.body.shape[0] and at[1] < self.body.shape[1]
        return inside and bool(self.body[at])

    def encoder_input(self, encoder: FrozenEncoder, size_px: int) -> Tensor:
        """Return the square with intensities normalised for the encoder, [1 or 3, N, N].

        Raises:
            InputError: the size is not a multiple of the encoder's patch size, or the encoder requires another size.
        """
        patch = encoder.patch_size
        if size_px < 2 * patch or size_px % patch:
            lower = max(size_px // patch, 2) * patch
            raise InputError(
                f"size {size_px} px: {encoder.name} needs a multiple of its patch size, {patch} px, and at least two "
                f"patches. Use {lower} or {lower + patch}"
            )
        check_size(encoder, size_px)
        if encoder.intensity == "scan":
            return self._square(self.normalised, size_px)[0]
        mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (encoder.mean, encoder.std))
        return (self._square(self.clipped, size_px)[0] - mean) / std

    def brightness(self, grid: tuple[int, int]) -> Tensor:
        """Return the mean clipped intensity of each patch [h * w]."""
        return self._averaged(self.clipped, grid)

    def body_patches(self, grid: tuple[int, int]) -> Tensor:
        """Return a mask of the patches that the body fills at least by half, boolean [h * w]."""
        return self._averaged(torch.from_numpy(self.body.astype(np.float32)), grid) >= 0.5

    def grey_window(self) -> tuple[float, float]:
        """Return the grey levels (low, high): soft tissue in HU for CT, the body's 1st to 99th percentile for MR."""
        if self.modality == "ct":
            return _CT_WINDOW_HU
        low, high = (float(v) for v in np.percentile(self.image[self.body], (1, 99)))
        return (low, high) if high > low else (low, low + 1)

    def _averaged(self, pixels: Tensor, grid: tuple[int, int]) -> Tensor:
        # 4 x 4 pixels per patch: this averages the pixels of large patches and interpolates for small ones
        fine = self._square(pixels, 4 * grid[0])
        return avg_pool2d(fine, 4).flatten()

    def _square(self, pixels: Tensor, size_px: int) -> Tensor:
        """Pad and resize a map to the square [1, 1, N, N]."""
        return fit_to_square(pixels[None, None].float(), spacing=self.spacing_mm, size_px=size_px)


def outer_box(boxes: list[Box]) -> Box:
    """Return the smallest box that contains all boxes."""
    return Box(
        left=min(b.left for b in boxes),
        right=max(b.right for b in boxes),
        top=min(b.top for b in boxes),
        bottom=max(b.bottom for b in boxes),
    )


def patch_at(x: float, y: float, grid: tuple[int, int]) -> int:
    """Return the number of the patch that contains a position in the square."""
    row, column = (min(max(int(at * n), 0), n - 1) for at, n in ((y, grid[0]), (x, grid[1])))
    return row * grid[1] + column


def middle_of(patch: int, grid: tuple[int, int]) -> tuple[float, float]:
    """Return x and y of the centre of a patch."""
    row, column = divmod(patch, grid[1])
    return (column + 0.5) / grid[1], (row + 0.5) / grid[0]


def scan_window(slices: list[ScanSlice], window: tuple[float, float] | None) -> tuple[float, float]:
    """Return the given grey levels, or by default a range that suits all slices."""
    windows: list[Any] = [s.grey_window() for s in slices] if window is None else [window]
    return min(low for low, _ in windows), max(high for _, high in windows)
