"""Score blocks of slices, as many slices at a time as memory allows.

Shapes: N slices, C channels, K classes, H x W the grid of the labels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.volumes.regions import Regions
from ..data.volumes.resampling import ImageResampling, resize_slices
from ..errors import InputError
from .class_scores import MAX_CLASSES, is_out_of_memory
from .slice_scorer import SliceScorer

_NATIVE_BYTES = 2**26  # class scores on the labels' grid at a time: more would not be faster

_logger = logging.getLogger(__name__)

# takes scores [N, K, H, W] of slices, and the position of the first of them in the block
UseScores = Callable[[Tensor, int], None]


@dataclass(kw_only=True)
class SliceBatches:
    """Scores of slices on the grid of the labels; learns the number of classes and how many slices fit into memory.

    Args:
        scorer: function from slices on the network's grid to class scores.
        size: size (H, W) of the labels.
        network_size: rows and columns of the network's grid.
        padding: values [C] around slices that are smaller than a window.
        max_batch: largest number of slices at a time.
        score_bytes: largest number of bytes for their class scores; at least one slice always runs.
        regions: regions that the scores belong to; None for mutually exclusive classes.
        resampling: interpolation of slices to the network's grid, see `resize_slices`.
        n_classes: number K of classes or regions; None if the first slice is to show it.
    """

    scorer: SliceScorer
    size: tuple[int, int]
    network_size: tuple[int, int]
    padding: Tensor
    max_batch: int
    score_bytes: int
    regions: Regions | None = None
    resampling: ImageResampling = "bilinear"
    n_classes: int | None = None

    def score_block(self, block: Tensor, first_slice: int, use: UseScores) -> None:
        """Hand the scores of slices [N, C, H, W] to a function, each slice once.

        Args:
            block: the slices.
            first_slice: number of the first one in the volume, for messages.
            use: function that takes the scores.

        Raises:
            InputError: not even one slice fits into memory, or the number of classes is not the expected one.
        """
        done = 0
        while done < block.shape[0]:
            stop = min(done + self._batch_size(), block.shape[0])
            done += self._use(block[done:stop], done, first_slice, use)

    def _batch_size(self) -> int:
        if self.n_classes is None:
            return 1  # the first slice shows how many classes there are
        return max(1, min(self.max_batch, self.score_bytes // self.scorer.bytes_per_slice(self.n_classes)))

    def _use(self, slices: Tensor, position: int, first_slice: int, use: UseScores) -> int:
        """Hand on the scores of one batch, or of its beginning if memory runs out; return for how many slices."""
        done = 0
        try:
            for scores in self._native_scores(slices):
                use(scores, position + done)
                done += scores.shape[0]
            return done
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if slices.shape[0] == 1:
                raise InputError(
                    f"slice {first_slice + position}: out of memory with a single slice ({error}). Use a smaller "
                    "roi_size, a larger pixdim, amp=true or a device with more memory"
                ) from error
            _logger.warning("out of memory with %d slices at a time, continuing with fewer", slices.shape[0])
            self.max_batch = slices.shape[0] // 2
        if slices.device.type == "cuda":  # outside the handler, so that the traceback no longer keeps the tensors alive
            torch.cuda.empty_cache()
        return done

    def _native_scores(self, slices: Tensor) -> Iterator[Tensor]:
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
            yield chunk

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


def check_finite(finite: Tensor, first_slice: int) -> None:
    """Refuse scores that are not finite.

    Args:
        finite: boolean [N] for slices, see `write_labels`.
        first_slice: number of the first one in the volume.

    Raises:
        InputError: names the first slice whose scores are not finite.
    """
    if not bool(finite.all()):
        number = first_slice + int((~finite).nonzero()[0])
        raise InputError(
            f"slice {number}: the network's scores are not finite. The image has NaN or Inf after normalisation, "
            f"the weights are damaged, or the network needs amp=false"
        )
