"""Training batches for decoders: stacks of neighbouring slices of cached maps, with their labels.

Shapes: B crops, L levels, C width, D slices of a case, d slices of a crop, P patches, h x w patches, S side in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .label_store import CaseLabels


@dataclass(frozen=True)
class MappedCase:
    """A case as a decoder sees it.

    Attributes:
        case_id: id of the case.
        patient: the case's patient.
        maps: gives the patches of each slice, [D, L, P, C], as a view of a file that stays open while it is held.
        labels: labels of the case.
    """

    case_id: str
    patient: str
    maps: Callable[[], NDArray[np.float16]]
    labels: CaseLabels

    @property
    def n_slices(self) -> int:
        return len(self.labels.present)

    def stack(self, first: int, last: int, *, last_levels: int | None = None) -> Tensor:
        """Maps [L, C, last - first, h, w] float16 of some slices, of all levels or of the ``last_levels`` last ones."""
        chosen = self.maps()[first:last]
        maps = torch.from_numpy(np.array(chosen if last_levels is None else chosen[:, -last_levels:]))
        side = round(maps.shape[2] ** 0.5)  # images are square
        return maps.unflatten(2, (side, side)).permute(1, 4, 0, 2, 3)


class MapCrops:
    """Training batches by number: each is determined by the seed and its number.

    A crop consists of ``depth`` neighbouring slices, each whole. For a share of the crops a class is drawn first, and
    the crop contains a slice with that class, so that rare classes are seen. All crops of a batch are as thick as its
    first one: if that is from a case with fewer slices, the batch has more and thinner crops.

    Args:
        cases: cases to draw from.
        n_classes: number of classes.
        slices_per_batch: number of slices in a batch, which has as many crops as fit, at least one.
        depth: number of slices in a crop.
        foreground_fraction: share of crops that contain a drawn class.
        seed: seed for the draws; global random states are not touched.
        last_levels: number of last levels of the maps that the decoder reads; None reads all.
    """

    def __init__(
        self,
        cases: Sequence[MappedCase],
        *,
        n_classes: int,
        slices_per_batch: int,
        depth: int,
        foreground_fraction: float,
        seed: int,
        last_levels: int | None = None,
    ) -> None:
        self.cases, self.seed, self.foreground_fraction = list(cases), seed, foreground_fraction
        self.slices_per_batch, self.depth, self.last_levels = slices_per_batch, depth, last_levels
        self._cases_with = {
            k: [number for number, case in enumerate(cases) if case.labels.present[:, k].any()]
            for k in range(1, n_classes)
        }
        self._thick: dict[int, tuple[list[int], dict[int, list[int]]]] = {}

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Maps [B, L, C, d, h, w] float16 and labels [B, 1, d, S, S] uint8."""
        rng = np.random.default_rng((self.seed, number))
        case, slice_number = self._draw(rng, 1)
        depth = min(self.depth, case.n_slices)
        drawn = [(case, slice_number)]
        drawn += [self._draw(rng, depth) for _ in range(self.slices_per_batch // depth - 1)]
        maps, labels = [], []
        for case, slice_number in drawn:
            low, high = max(0, slice_number - depth + 1), min(slice_number, case.n_slices - depth)
            first = int(rng.integers(low, high + 1))
            maps.append(case.stack(first, first + depth, last_levels=self.last_levels))
            labels.append(torch.from_numpy(np.array(case.labels.fitted[first : first + depth]))[None])
        return torch.stack(maps), torch.stack(labels)

    def _draw(self, rng: np.random.Generator, least_slices: int) -> tuple[MappedCase, int]:
        """Draw a case with at least this many slices, and a slice that the crop has to contain."""
        thick, with_class = self._at_least(least_slices)
        if with_class and rng.random() < self.foreground_fraction:
            wanted = list(with_class)[rng.integers(len(with_class))]
            case = self.cases[rng.choice(with_class[wanted])]
            return case, int(rng.choice(np.flatnonzero(case.labels.present[:, wanted])))
        case = self.cases[rng.choice(thick)]
        return case, int(rng.integers(case.n_slices))

    def _at_least(self, n_slices: int) -> tuple[list[int], dict[int, list[int]]]:
        """Cases with at least this many slices, and by class those that show it; classes without cases are left out."""
        if n_slices not in self._thick:
            is_thick = [case.n_slices >= n_slices for case in self.cases]
            with_class = {k: [n for n in numbers if is_thick[n]] for k, numbers in self._cases_with.items()}
            self._thick[n_slices] = (
                [number for number, thick in enumerate(is_thick) if thick],
                {k: numbers for k, numbers in with_class.items() if numbers},
            )
        return self._thick[n_slices]
