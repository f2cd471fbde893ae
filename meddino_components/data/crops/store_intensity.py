"""Normalise the values of a slice store by the table of `intensity`, in stored units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ..slice_store.store import SliceStore
from ..volumes.intensity_statistics import mr_statistics
from ..volumes.intensity_table import INTENSITY_TABLE

_MR_SLICES = 16  # number of slices for the statistics of a volume


class Normalization(NamedTuple):
    """(value clipped to ``low`` .. ``high`` - ``mean``) / ``std``."""

    low: float
    high: float
    mean: float
    std: float


class StoreIntensity:
    """The normalisation of each slice of a store.

    CT uses the fixed window and moments in HU; MR uses those of the slice's volume, from up to 16 evenly spaced stored
    slices, which each process reads once per volume.

    Args:
        store: store that contains the slices.
    """

    def __init__(self, *, store: SliceStore) -> None:
        self.store = store
        self._of_volume: dict[int, Normalization] = {}

    def __call__(self, index: int) -> Normalization:
        """Return the normalisation of slice ``index``.

        Raises:
            InputError: an MR volume has no contrast.
        """
        number = int(self.store.slices[index]["volume"])
        record = self.store.volume(number)
        if record.modality == "mr":
            if number not in self._of_volume:
                self._of_volume[number] = self._of_mr(number, f"{record.source_set}/{record.case_id}")
            return self._of_volume[number]
        (low, high), mean, std = (INTENSITY_TABLE["ct"][key] for key in ("clip", "mean", "std"))
        shift, step = record.offset, record.scale
        return Normalization((low - shift) / step, (high - shift) / step, (mean - shift) / step, std / step)

    def _of_mr(self, number: int, name: str) -> Normalization:
        volumes = self.store.slices["volume"]
        # slices of a volume are adjacent, and volumes ascend
        first, end = (int(np.searchsorted(volumes, number, side=side)) for side in ("left", "right"))
        chosen = np.unique(np.linspace(first, end - 1, min(end - first, _MR_SLICES)).round().astype(np.int64))
        pixels = np.concatenate([self.store.read(int(index)).ravel() for index in chosen])
        return Normalization(*mr_statistics(torch.from_numpy(pixels), name))
