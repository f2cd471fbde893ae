"""Convert blocks of slices to labels, with as many slices at a time as memory allows.

Shapes: N slices, C channels, K classes, H x W the output grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .class_scores import write_labels, write_regions
from .slice_batches import SliceBatches, check_finite

Region = tuple[slice, slice, slice]
# returns an array [K, H, W, D], or an object that is written to like one
OpenProbabilities = Callable[[int], Any]


@dataclass(kw_only=True)
class SliceLabeller(SliceBatches):
    """One pass over a volume; its other arguments are those of `SliceBatches`.

    Args:
        open_probabilities: function called once with K; returns an array [K, H, W, D] for the softmax, or for the
            sigmoid of each region.
        region: part of the volume that contains the slices.
        whole: whether that part is the whole volume.
    """

    open_probabilities: OpenProbabilities | None
    region: Region
    whole: bool
    probabilities: Any = None

    def label_block(self, block: Tensor, first_slice: int) -> Tensor:
        """Return labels [N, H, W] uint8 for slices [N, C, H, W], the first of which has number ``first_slice``."""
        labels = torch.empty(block.shape[0], *self.size, dtype=torch.uint8, device=block.device)
        finite = torch.empty(block.shape[0], dtype=torch.bool, device=block.device)

        def write(scores: Tensor, position: int) -> None:
            part = slice(position, position + scores.shape[0])
            finite[part] = self._write_labels(scores, labels[part])
            if self.probabilities is not None:
                self._write_probabilities(scores, first_slice + position)

        self.score_block(block, first_slice, write)
        check_finite(finite, first_slice)
        return labels

    def _write_labels(self, scores: Tensor, labels: Tensor) -> Tensor:
        return (
            write_labels(scores, labels)
            if self.regions is None
            else write_regions(scores, labels, self.regions.written)
        )

    def _know_classes(self, n_classes: int) -> None:
        super()._know_classes(n_classes)
        if self.open_probabilities is not None:
            self.probabilities = self.open_probabilities(n_classes)
            if not self.whole and self.regions is None:
                self.probabilities[0] = 1  # outside the body

    def _write_probabilities(self, scores: Tensor, number: int) -> None:
        assert self.probabilities is not None
        rows, columns, _ = self.region
        for n, slice_scores in enumerate(scores):
            scores_32 = slice_scores.float()
            shares = torch.softmax(scores_32, dim=0) if self.regions is None else scores_32.sigmoid()
            self.probabilities[:, rows, columns, number + n] = shares.half().cpu().numpy()
