"""Convert blocks of slices to labels, with as many slices at a time as memory allows.

Shapes: N slices, C channels, K classes, H x W the output grid.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data.volumes.regions import Regions
from ..data.volumes.resampling import ImageResampling, resize_slices
from ..errors import InputError
from .class_scores import MAX_CLASSES, is_out_of_memory, write_labels, write_regions
from .slice_scorer import SliceScorer

Region = tuple[slice, slice, slice]
# returns an array [K, H, W, D], or an object that is written to like one
OpenProbabilities = Callable[[int], Any]

_NATIVE_BYTES = 2**26  # class scores on the labels' grid at a time: more would not be faster

_logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class SliceLabeller:
    """One pass over a volume, which learns the number of classes and how many slices fit into memory.

    Args:
        scorer: function from slices on the network's grid to class scores.
        size: size (H, W) of the labels.
        network_size: rows and columns of the network's grid.
        padding: values [C] around slices that are smaller than a window.
        max_batch: largest number of slices at a time.
        score_bytes: largest number of bytes for their class scores; at least one slice always runs.
        open_probabilities: function called once with K; returns an array [K, H, W, D] for the softmax, or for the
            sigmoid of each region.
        region: part of the volume that contains the slices.
        whole: whether that part is the whole volume.
        regions: regions that the scores belong to; None for mutually exclusive classes.
        resampling: interpolation of slices to the network's grid, see `resize_slices`.
    """

    scorer: SliceScorer
    size: tuple[int, int]
    network_size: tuple[int, int]
    padding: Tensor
    max_batch: int
    score_bytes: int
    open_probabilities: OpenProbabilities | None
    region: Region
    whole: bool
    regions: Regions | None = None
    resampling: ImageResampling = "bilinear"
    n_classes: int | None = None
    probabilities: Any = None

    def label_block(self, block: Tensor, first_slice: int) -> Tensor:
        """Return labels [N, H, W] uint8 for slices [N, C, H, W], the first of which has number ``first_slice``."""
        labels = torch.empty(block.shape[0], *self.size, dtype=torch.uint8, device=block.device)
        finite = torch.empty(block.shape[0], dtype=torch.bool, device=block.device)
        done = 0
        while done < block.shape[0]:
            stop = min(done + self._batch_size(), block.shape[0])
            if self._fits(block[done:stop], labels[done:stop], finite[done:stop], first_slice + done):
                done = stop
        if not bool(finite.all()):
            number = first_slice + int((~finite).nonzero()[0])
            raise InputError(
                f"slice {number}: the network's scores are not finite. The image has NaN or Inf after normalisation, "
                f"the weights are damaged, or the network needs amp=false"
            )
        return labels

    def _batch_size(self) -> int:
        if self.n_classes is None:
            return 1  # the first slice shows how many classes there are
        return max(1, min(self.max_batch, self.score_bytes // self.scorer.bytes_per_slice(self.n_classes)))

    def _fits(self, slices: Tensor, labels: Tensor, finite: Tensor, number: int) -> bool:
        """Label one batch; if memory runs out, halve the number of slices and return False."""
        try:
            self._label(slices, labels, finite, number)
            return True
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if slices.shape[0] == 1:
                raise InputError(
                    f"slice {number}: out of memory with a single slice ({error}). Use a smaller roi_size, a "
                    "larger pixdim, amp=true or a device with more memory"
                ) from error
            _logger.warning("out of memory with %d slices at a time, continuing with fewer", slices.shape[0])
            self.max_batch = slices.shape[0] // 2
        if slices.device.type == "cuda":  # outside the handler, so that the traceback no longer keeps the tensors alive
            torch.cuda.empty_cache()
        return False

    def _label(self, slices: Tensor, labels: Tensor, finite: Tensor, number: int) -> None:
        if self.network_size != self.size:
            slices = resize_slices(slices, self.network_size, mode=self.resampling)
        scores = self.scorer(slices, self.padding)
        if self.n_classes is None:
            self._know_classes(scores.shape[1])
        limit = min(self.score_bytes, _NATIVE_BYTES)
        native = max(1, limit // (scores.shape[1] * self.size[0] * self.size[1] * 4))
        for start in range(0, scores.shape[0], native):
            chunk = scores[start : start + native]
            if self.network_size != self.size:
                chunk = resize_slices(chunk.float(), self.size, mode="bilinear")
            finite[start : start + native] = self._write_labels(chunk, labels[start : start + native])
            if self.probabilities is not None:
                self._write_probabilities(chunk, number + start)

    def _write_labels(self, scores: Tensor, labels: Tensor) -> Tensor:
        return (
            write_labels(scores, labels)
            if self.regions is None
            else write_regions(scores, labels, self.regions.written)
        )

    def _know_classes(self, n_classes: int) -> None:
        if self.regions is not None and n_classes != len(self.regions.names):
            raise InputError(
                f"the network returns {n_classes} scores per pixel; expected {', '.join(self.regions.names)}"
            )
        if n_classes > MAX_CLASSES:
            raise InputError(
                f"the network returns {n_classes} classes; expected at most {MAX_CLASSES}, as labels are uint8"
            )
        self.n_classes = n_classes
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
