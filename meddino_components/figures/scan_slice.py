"""One slice: as it is drawn, as an encoder wants it, and where in both a place is.

What is encoded is a square (`fit_to_square`), of whatever size; places on it are shares of its side, x to the patient's
left and y to posterior, so that panels of all resolutions lie over each other.

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
_MARGIN = 0.02  # of the square, left free round the body


@dataclass(frozen=True)
class Place:
    """A point of a scan: the slice it is in, row and column there, from 0 and not rounded."""

    index: int
    row: float
    column: float


@dataclass(frozen=True)
class Box:
    """A part of the square, in shares of its side."""

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
        image: [H, W] in the units of the file.
        clipped: intensities clipped by the rule of its modality, 0 to 1 [H, W].
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
        """For titles."""
        return f"{self.modality.upper()}, slice {self.index}"

    @property
    def side_mm(self) -> float:
        """Side of the square."""
        return max(n * mm for n, mm in zip(self.image.shape, self.spacing_mm, strict=True))

    @property
    def box(self) -> Box:
        """The part of the square that the slice fills; beyond it there is air."""
        high, wide = (n * mm / self.side_mm for n, mm in zip(self.image.shape, self.spacing_mm, strict=True))
        return Box(left=(1 - wide) / 2, right=(1 + wide) / 2, top=(1 - high) / 2, bottom=(1 + high) / 2)

    @cached_property
    def body(self) -> NDArray[np.bool_]:
        """Pixels of the body, see `body_mask` [H, W].

        Raises:
            InputError: there are none.
        """
        mask = body_mask(self.clipped.numpy(), modality=self.modality, spacing_mm=self.spacing_mm)
        if not mask.any():
            raise InputError(f"{self.scan}: slice {self.index} shows nothing but air. Choose another slice")
        return mask

    @property
    def body_box(self) -> Box:
        """The part of the square round the body, with a margin."""
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
        """x and y of a place in the square."""
        row_mm, column_mm = self.spacing_mm
        box = self.box
        return box.left + (column + 0.5) * column_mm / self.side_mm, box.top + (row + 0.5) * row_mm / self.side_mm

    def is_body(self, x: float, y: float) -> bool:
        """Whether a place in the square lies in the body."""
        row, column = ((at - start) * self.side_mm for at, start in ((y, self.box.top), (x, self.box.left)))
        at = int(row / self.spacing_mm[0]), int(column / self.spacing_mm[1])
        inside = row >= 0 and column >= 0 and at[0] < self.body.shape[0] and at[1] < self.body.shape[1]
        return inside and bool(self.body[at])

    def encoder_input(self, encoder: FrozenEncoder, size_px: int) -> Tensor:
        """The square in the encoder's range of intensities, [1 or 3, N, N].

        Raises:
            InputError: the size is no multiple of the encoder's patch size, or not the one that it takes.
        """
        patch = encoder.patch_size
        if size_px < 2 * patch or size_px % patch:
            lower = max(size_px // patch, 2) * patch
            raise InputError(
                f"size {size_px} px: {encoder.name} takes multiples of its patches of {patch} px. Use {lower} or "
                f"{lower + patch}"
            )
        check_size(encoder, size_px)
        if encoder.intensity == "scan":
            return self._square(self.normalised, size_px)[0]
        mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (encoder.mean, encoder.std))
        return (self._square(self.clipped, size_px)[0] - mean) / std

    def brightness(self, grid: tuple[int, int]) -> Tensor:
        """Mean of the clipped intensities of each patch [h * w]."""
        return self._averaged(self.clipped, grid)

    def body_patches(self, grid: tuple[int, int]) -> Tensor:
        """Patches of which the body fills half, boolean [h * w]."""
        return self._averaged(torch.from_numpy(self.body.astype(np.float32)), grid) >= 0.5

    def grey_window(self) -> tuple[float, float]:
        """Soft tissue in HU for CT; for MR what the body holds, less a per cent at either end."""
        if self.modality == "ct":
            return _CT_WINDOW_HU
        low, high = (float(v) for v in np.percentile(self.image[self.body], (1, 99)))
        return (low, high) if high > low else (low, low + 1)

    def _averaged(self, pixels: Tensor, grid: tuple[int, int]) -> Tensor:
        # four pixels a patch: that of a coarse grid is its mean, that of a fine one is interpolated
        fine = self._square(pixels, 4 * grid[0])
        return avg_pool2d(fine, 4).flatten()

    def _square(self, pixels: Tensor, size_px: int) -> Tensor:
        """[1, 1, N, N]."""
        return fit_to_square(pixels[None, None].float(), spacing=self.spacing_mm, size_px=size_px)


def outer_box(boxes: list[Box]) -> Box:
    """The smallest that holds them all."""
    return Box(
        left=min(b.left for b in boxes),
        right=max(b.right for b in boxes),
        top=min(b.top for b in boxes),
        bottom=max(b.bottom for b in boxes),
    )


def patch_at(x: float, y: float, grid: tuple[int, int]) -> int:
    """Number of the patch that a place in the square lies in."""
    row, column = (min(max(int(at * n), 0), n - 1) for at, n in ((y, grid[0]), (x, grid[1])))
    return row * grid[1] + column


def middle_of(patch: int, grid: tuple[int, int]) -> tuple[float, float]:
    """x and y of the middle of a patch."""
    row, column = divmod(patch, grid[1])
    return (column + 0.5) / grid[1], (row + 0.5) / grid[0]


def scan_window(slices: list[ScanSlice], window: tuple[float, float] | None) -> tuple[float, float]:
    """The given grey window, or one for all of these slices."""
    windows: list[Any] = [s.grey_window() for s in slices] if window is None else [window]
    return min(low for low, _ in windows), max(high for _, high in windows)
