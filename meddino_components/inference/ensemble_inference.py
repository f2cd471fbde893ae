"""Segment a volume with several networks that take turns, in the memory of one network and a few slices.

Shapes: N slices, K classes or regions, H x W the part of the slices that is segmented, D slices of the volume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..data.volumes.regions import Regions
from ..data.volumes.resampling import ImageResampling
from .autocast import computing
from .class_scores import write_labels, write_regions
from .network_ensemble import MemberNetwork, NetworkEnsemble
from .slice_batches import SliceBatches, check_finite
from .slice_labeller import OpenProbabilities
from .slice_scorer import SliceScorer
from .volume_slices import BLOCK, VolumeSlices


@dataclass(kw_only=True)
class MemberOnVolume:
    """One network of an ensemble on one volume.

    Attributes:
        network: the network.
        slices: slices of the volume as it sees them.
        scorer: function that makes the scorer of these slices from the network in memory.
        padding: values [C] around slices that are smaller than a window.
        resampling: interpolation of slices to the network's grid.
        max_batch: largest number of slices at a time; falls when memory runs out.
        n_classes: number of classes, once it is known.
    """

    network: MemberNetwork
    slices: VolumeSlices
    scorer: Callable[[nn.Module], SliceScorer]
    padding: Tensor
    resampling: ImageResampling
    max_batch: int
    n_classes: int | None = None


@dataclass(frozen=True, kw_only=True)
class EnsembleOnVolume:
    """Networks that take turns on one volume.

    Args:
        volume: volume [C, H, W, D].
        ensemble: the networks.
        members: the networks on this volume.
        regions: regions that the scores belong to; None for mutually exclusive classes.
        amp: whether and how to compute in low precision, see `autocast_dtype`.
        score_bytes: largest number of bytes for class scores at a time.
    """

    volume: Tensor
    ensemble: NetworkEnsemble
    members: Sequence[MemberOnVolume]
    regions: Regions | None
    amp: bool | str
    score_bytes: int

    def write_labels(
        self,
        labels: Tensor,
        open_probabilities: OpenProbabilities | None,
        with_progress: Callable[[range], Any],
    ) -> None:
        """Write the labels with the highest mean probability.

        For each block of slices, the networks compute one after another. The probabilities (softmax, or sigmoid of each
        region) of each are computed on the labels' grid and added up. Outside the part that a network sees, it counts
        as sure of the background.

        Args:
            labels: labels [D, H, W] uint8 to write.
            open_probabilities: function from K to an array [K, H, W, D] for the mean probabilities.
            with_progress: function that shows the progress over blocks.

        Raises:
            InputError: scores of a slice are not finite, or not even one slice fits into memory.
        """
        rows, columns = (_union([member.slices.region[axis] for member in self.members]) for axis in (0, 1))
        depth = self.members[0].slices.region[2]
        size = (rows.stop - rows.start, columns.stop - columns.start)
        n_classes = self.ensemble.settings.num_outputs
        probabilities = None if open_probabilities is None else open_probabilities(n_classes)
        whole = size == tuple(self.volume.shape[1:3]) and depth == slice(0, self.volume.shape[3])
        if probabilities is not None and self.regions is None and not whole:
            probabilities[0] = 1  # outside the body
        n_slices = max(1, min(BLOCK, self.score_bytes // (n_classes * size[0] * size[1] * 4)))
        for start in with_progress(range(depth.start, depth.stop, n_slices)):
            stop = min(start + n_slices, depth.stop)
            mean = torch.zeros(stop - start, n_classes, *size, device=self.ensemble.device)
            for member in self.members:
                self._add(member, mean, start, (rows, columns))
            mean /= len(self.members)
            labels[start:stop, rows, columns].copy_(self._labels(mean, start))
            if probabilities is not None:
                for number in range(start, stop):
                    probabilities[:, rows, columns, number] = mean[number - start].half().cpu().numpy()

    def _add(self, member: MemberOnVolume, total: Tensor, start: int, place: tuple[slice, slice]) -> None:
        """Add a network's probabilities of slices to ``total`` [N, K, H, W]."""
        device = self.ensemble.device
        rows, columns = (
            slice(part.start - whole.start, part.stop - whole.start)
            for part, whole in zip(member.slices.region[:2], place, strict=True)
        )
        if self.regions is None and member.slices.size != tuple(total.shape[2:]):
            outside = torch.ones(total.shape[2:], device=device)
            outside[rows, columns] = 0
            total[:, 0] += outside

        def use(scores: Tensor, position: int) -> None:
            shares = scores.float().softmax(1) if self.regions is None else scores.float().sigmoid()
            total[position : position + scores.shape[0], :, rows, columns] += shares

        with self.ensemble.turn(member.network) as network, computing(network, device, self.amp):
            # made for each turn, so that its buffers are freed before the next network computes
            batches = SliceBatches(
                scorer=member.scorer(network),
                size=member.slices.size,
                network_size=member.slices.network_size,
                padding=member.padding,
                resampling=member.resampling,
                max_batch=member.max_batch,
                score_bytes=self.score_bytes,
                regions=self.regions,
                n_classes=member.n_classes,
            )
            block = member.slices.block(self.volume, start, start + total.shape[0], device)
            batches.score_block(block, start, use)
        member.max_batch, member.n_classes = batches.max_batch, batches.n_classes

    def _labels(self, mean: Tensor, first_slice: int) -> Tensor:
        labels = torch.empty(mean.shape[0], *mean.shape[2:], dtype=torch.uint8, device=mean.device)
        regions = self.regions
        finite = write_labels(mean, labels) if regions is None else write_regions(mean - 0.5, labels, regions.written)
        check_finite(finite, first_slice)
        return labels


def _union(parts: Sequence[slice]) -> slice:
    return slice(min(part.start for part in parts), max(part.stop for part in parts))
