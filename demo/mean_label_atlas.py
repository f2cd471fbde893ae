"""The control that knows where organs are and does not look at the picture.

H rows, W columns, D slices of a case; A, B, C those of the atlas; K organs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from torch.nn.functional import adaptive_avg_pool1d, interpolate

from meddino_components.data.volumes.body_region import body_region

_BINS = 64  # of frequencies from 0 to 1, among whose edges the thresholds are chosen

Alignment = Literal["body", "image"]


class MeanLabelAtlas:
    """Mean of the training cases' label maps, laid over a test case.

    Each case's volume is scaled to one common grid: the box of the image (``alignment="image"``), or in plane that of
    the body in it (``"body"``), which needs no luck with the field of view; slices always from the first to the last.
    A voxel of the atlas holds how often it was each organ. Prediction: the most frequent organ where its frequency
    exceeds the organ's threshold, background elsewhere.

    To be as strong an opponent as it can, the atlas has a threshold for each organ, the one with the best mean Dice on
    the training cases, every one of them predicted by the atlas of the others (its own labels would promise too much).

    Args:
        n_labels: background included.
        grid: A, B, C.
        alignment: see above.
    """

    def __init__(
        self, *, n_labels: int, grid: tuple[int, int, int] = (96, 96, 96), alignment: Alignment = "body"
    ) -> None:
        self.n_labels = n_labels
        self.grid = grid
        self.alignment = alignment
        self.thresholds = np.full(n_labels - 1, 0.5)
        self.training_dice = float("nan")
        self._sum = torch.zeros(n_labels - 1, *grid)
        self._n = 0

    def fit(self, cases: Sequence[Mapping[str, Any]]) -> MeanLabelAtlas:
        """Build the atlas and choose the thresholds.

        Args:
            cases: dicts with ``image`` and ``label`` [1, H, W, D] in one orientation; gone through twice (a
                ``monai.data.Dataset`` reads them anew). At least two.

        Raises:
            ValueError: fewer than two cases.
        """
        if len(cases) < 2:
            raise ValueError(f"an atlas needs at least two training cases, got {len(cases)}")
        self._n = 0
        self._sum.zero_()
        for number in range(len(cases)):
            self._sum += self._fractions(cases[number])
            self._n += 1
        dice = [self._left_out_dice(cases[number]) for number in range(len(cases))]
        mean = np.nansum(dice, axis=0) / np.maximum(np.sum(~np.isnan(dice), axis=0), 1)
        known = ~np.isnan(dice).all(axis=(0, 2))  # organs that a training case has; others are never predicted
        # of thresholds that are equally good the one in the middle, which suits other voxel sizes best
        best = [np.flatnonzero(row >= row.max() - 1e-9) for row in mean]
        self.thresholds = np.array([bins[len(bins) // 2] for bins in best]) / _BINS
        self.training_dice = float(mean.max(axis=1)[known].mean()) if known.any() else 0.0
        return self

    def predict(self, case: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Labels [H, W, D] for the grid of ``case["image"]``; ``label`` is not read."""
        box = self._box(case["image"])
        organ, frequency = self._most_frequent(self._sum / self._n, [s.stop - s.start for s in box])
        confident = frequency > torch.as_tensor(self.thresholds, dtype=torch.float32)[organ.long()]
        labels = np.zeros(tuple(case["image"].shape[1:]), np.uint8)
        labels[box] = torch.where(confident, organ + 1, 0).numpy()
        return labels

    def _box(self, image: torch.Tensor) -> tuple[slice, slice, slice]:
        rows, columns = slice(0, image.shape[1]), slice(0, image.shape[2])
        if self.alignment == "body":
            rows, columns, _ = body_region(_plain(image), margin_mm=0)
        return rows, columns, slice(0, image.shape[3])

    def _fractions(self, case: Mapping[str, Any]) -> torch.Tensor:
        """[K, A, B, C] share of each organ in the voxels of the atlas."""
        return self._pooled(_plain(case["label"])[0][self._box(case["image"])])

    def _pooled(self, labels: torch.Tensor) -> torch.Tensor:
        axes = [_pooling(size, cells) for size, cells in zip(labels.shape, self.grid, strict=True)]
        fractions = torch.zeros_like(self._sum)
        for organ, place in enumerate(find_objects(labels.to(torch.uint8).numpy(), len(fractions))):
            if place is not None:
                _add_along_axes(fractions[organ], (labels[place] == organ + 1).float(), axes, place)
        return fractions

    def _most_frequent(self, atlas: torch.Tensor, size: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """In a box of this size: the organ counted from 0, uint8, and its frequency; one organ at a time for memory."""
        axes = [_interpolation(cells, voxels) for cells, voxels in zip(self.grid, size, strict=True)]
        best = torch.zeros(*size)
        organ = torch.zeros(*size, dtype=torch.uint8)
        for number, frequencies in enumerate(atlas):
            here = torch.zeros(*size)
            if (place := _filled(frequencies)) is not None:
                _add_along_axes(here, frequencies[place], axes, place)
            organ[here > best] = number
            torch.maximum(best, here, out=best)
        return organ, best

    def _left_out_dice(self, case: Mapping[str, Any]) -> NDArray[np.float64]:
        """[K, _BINS] Dice of a training case by the atlas of the others, for each organ and threshold."""
        whole = _plain(case["label"])[0]
        inside = whole[self._box(case["image"])]
        others = (self._sum - self._pooled(inside)).clamp_(min=0) / (self._n - 1)
        organ, frequency = (x.numpy() for x in self._most_frequent(others, inside.shape))
        volumes = torch.bincount(whole.flatten().long(), minlength=self.n_labels).tolist()
        labels = inside.numpy()
        # a voxel in bin b is predicted at thresholds 0..b: strictly above the bin's lower edge
        bins = np.clip(np.ceil(frequency * _BINS).astype(np.int64) - 1, -1, _BINS - 1)
        dice = np.full((self.n_labels - 1, _BINS), np.nan)
        for number in range(len(dice)):
            volume = volumes[number + 1]
            if not volume:
                continue
            chosen = (organ == number) & (bins >= 0)
            hit = chosen & (labels == number + 1)
            predicted, hits = (np.bincount(bins[mask], minlength=_BINS)[::-1].cumsum()[::-1] for mask in (chosen, hit))
            dice[number] = 2 * hits / (predicted + volume)
        return dice


def _plain(volume: Any) -> torch.Tensor:
    """A tensor without metadata, whose slicing would be tracked."""
    tensor = torch.as_tensor(volume)
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor


def _pooling(size: int, cells: int) -> torch.Tensor:
    """[cells, size] means over the part of an axis that each cell of the atlas covers."""
    return adaptive_avg_pool1d(torch.eye(size), cells).T


def _interpolation(cells: int, size: int) -> torch.Tensor:
    """[size, cells] linear interpolation along an axis; outer voxel edges are aligned."""
    return interpolate(torch.eye(cells)[None], size=size, mode="linear", align_corners=False)[0].T


def _filled(volume: torch.Tensor) -> tuple[slice, ...] | None:
    """The smallest box with all that is not zero; None if nothing is."""
    planes = [(volume != 0).flatten(1).any(1), (volume != 0).any(0).any(1), (volume != 0).any(0).any(0)]
    filled = [plane.nonzero()[:, 0] for plane in planes]
    return tuple(slice(int(n[0]), int(n[-1]) + 1) for n in filled) if len(filled[0]) else None


def _add_along_axes(
    result: torch.Tensor, part: torch.Tensor, axes: Sequence[torch.Tensor], place: tuple[slice, ...]
) -> None:
    """Add part of a volume, transformed by a matrix along each axis, to the result.

    An organ fills a small part of a volume: only there, and where that reaches, is there work to do.
    """
    matrices = [axis[:, columns] for axis, columns in zip(axes, place, strict=True)]
    reached = [matrix.any(1).nonzero()[:, 0] for matrix in matrices]
    target = tuple(slice(int(rows[0]), int(rows[-1]) + 1) for rows in reached)
    for number, (matrix, rows) in enumerate(zip(matrices, target, strict=True)):
        part = torch.tensordot(matrix[rows], part, dims=([1], [number])).movedim(0, number)
    result[target] += part
