"""The control that knows where organs are and does not look at the picture.

H rows, W columns, D slices of a case; A, B, C those of the atlas; K organs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool3d, interpolate

from ..inference.body_region import body_region

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
        organ, frequency = self._most_frequent(self._sum / self._n, case["image"])
        confident = frequency > torch.as_tensor(self.thresholds, dtype=torch.float32)[organ.long()]
        labels = np.zeros(tuple(case["image"].shape[1:]), np.uint8)
        labels[self._box(case["image"])] = torch.where(confident, organ + 1, 0).numpy()
        return labels

    def _box(self, image: torch.Tensor) -> tuple[slice, slice, slice]:
        rows, columns = slice(0, image.shape[1]), slice(0, image.shape[2])
        if self.alignment == "body":
            rows, columns, _ = body_region(_plain(image), margin_mm=0)
        return rows, columns, slice(0, image.shape[3])

    def _fractions(self, case: Mapping[str, Any]) -> torch.Tensor:
        """[K, A, B, C] share of each organ in the voxels of the atlas."""
        labels = _plain(case["label"])[0][self._box(case["image"])]
        fractions = torch.empty_like(self._sum)
        for organ in range(len(fractions)):
            fractions[organ] = adaptive_avg_pool3d((labels == organ + 1).float()[None], self.grid)[0]
        return fractions

    def _most_frequent(self, atlas: torch.Tensor, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """In the case's box: the organ counted from 0, uint8, and its frequency; one organ at a time for memory."""
        size = [s.stop - s.start for s in self._box(image)]
        best = torch.zeros(size)
        organ = torch.zeros(size, dtype=torch.uint8)
        for number, frequencies in enumerate(atlas):
            # outer voxel edges are aligned
            here = interpolate(frequencies[None, None], size=size, mode="trilinear", align_corners=False)[0, 0]
            organ[here > best] = number
            torch.maximum(best, here, out=best)
        return organ, best

    def _left_out_dice(self, case: Mapping[str, Any]) -> NDArray[np.float64]:
        """[K, _BINS] Dice of a training case by the atlas of the others, for each organ and threshold."""
        others = (self._sum - self._fractions(case)).clamp_(min=0) / (self._n - 1)
        organ, frequency = (x.numpy() for x in self._most_frequent(others, case["image"]))
        whole = np.asarray(_plain(case["label"])[0])
        labels = whole[self._box(case["image"])]
        # a voxel in bin b is predicted at thresholds 0..b: strictly above the bin's lower edge
        bins = np.clip(np.ceil(frequency * _BINS).astype(np.int64) - 1, -1, _BINS - 1)
        dice = np.full((self.n_labels - 1, _BINS), np.nan)
        for number in range(len(dice)):
            volume = int((whole == number + 1).sum())
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
