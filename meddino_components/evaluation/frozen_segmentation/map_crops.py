"""Training batches for decoders: stacks of neighbouring slices of cached maps, with their labels.

Shapes: B crops, L levels, C width, D slices of a case, d slices of a crop, P patches, h x w patches, S side in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .label_store import CaseLabels


@dataclass(frozen=True)
class MappedCase:
    """A case as a decoder sees it; maps and labels are views of files.

    Attributes:
        case_id: of the case.
        patient: whose it is.
        maps: patches of each slice, [D, L, P, C].
        labels: see `CaseLabels`.
    """

    case_id: str
    patient: str
    maps: NDArray[np.float16]
    labels: CaseLabels

    @property
    def n_slices(self) -> int:
        return len(self.maps)

    def stack(self, first: int, last: int) -> Tensor:
        """Maps [L, C, last - first, h, w] float16 of some slices."""
        maps = torch.from_numpy(np.array(self.maps[first:last]))
        side = round(maps.shape[2] ** 0.5)  # images are square
        return maps.unflatten(2, (side, side)).permute(1, 4, 0, 2, 3)


class MapCrops:
    """Batches by number: each is a function of the seed and its number, whatever was drawn before.

    A crop is ``depth`` neighbouring slices, or as many as the thinnest case has; the plane is always whole. A share of
    the crops holds a slice with a class that is drawn first, so that rare classes are seen.

    Args:
        cases: to draw from.
        n_classes: K.
        slices_per_batch: slices of a batch; it has as many crops as fit, one at least.
        depth: slices of a crop at most.
        foreground_fraction: share of crops that hold a drawn class.
        seed: of what is drawn; the global random states are not touched.
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
    ) -> None:
        self.cases, self.seed, self.foreground_fraction = list(cases), seed, foreground_fraction
        self.depth = min(depth, *(case.n_slices for case in cases))
        self.n_crops = max(1, slices_per_batch // self.depth)
        shown = {
            k: [number for number, case in enumerate(cases) if case.labels.present[:, k].any()]
            for k in range(1, n_classes)
        }
        self._cases_with = {k: numbers for k, numbers in shown.items() if numbers}

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Maps [B, L, C, d, h, w] float16 and labels [B, 1, d, S, S] uint8."""
        rng = np.random.default_rng((self.seed, number))
        maps, labels = [], []
        for _ in range(self.n_crops):
            case, first = self._draw(rng)
            last = first + self.depth
            maps.append(case.stack(first, last))
            labels.append(torch.from_numpy(np.array(case.labels.fitted[first:last]))[None])
        return torch.stack(maps), torch.stack(labels)

    def _draw(self, rng: np.random.Generator) -> tuple[MappedCase, int]:
        if self._cases_with and rng.random() < self.foreground_fraction:
            wanted = list(self._cases_with)[rng.integers(len(self._cases_with))]
            case = self.cases[rng.choice(self._cases_with[wanted])]
            middle = int(rng.choice(np.flatnonzero(case.labels.present[:, wanted])))
            low, high = max(0, middle - self.depth + 1), min(middle, case.n_slices - self.depth)
        else:
            case = self.cases[rng.integers(len(self.cases))]
            low, high = 0, case.n_slices - self.depth
        return case, int(rng.integers(low, high + 1))
