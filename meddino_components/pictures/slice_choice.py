"""Which slices of a volume or a label map to look at."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def label_areas(labels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of each label 1..255 in each slice, [D, 255], and in each row across them, [H, 255]."""
    height, _, depth = labels.shape
    per_row = np.zeros((height, 256), dtype=np.int64)
    per_slice = np.zeros((depth, 256), dtype=np.int64)
    row_start = (np.arange(height) * 256)[:, None]
    for k in range(depth):
        in_rows = np.bincount((row_start + labels[:, :, k]).ravel(), minlength=height * 256).reshape(height, 256)
        per_slice[k] = in_rows.sum(axis=0)
        per_row += in_rows
    return per_slice[:, 1:], per_row[:, 1:]


def choose_slices(areas: NDArray[np.int64], n: int) -> list[int]:
    """The n slices that together show every organ as large as may be, in order.

    Greedy: each next slice is the one that adds most to the sum over organs of the largest share of the organ's own
    greatest area that a chosen slice shows. Where nothing more is to be gained, slices far from the chosen ones follow.

    Args:
        areas: [S, L] pixels of each label in each slice.
    """
    n_slices = areas.shape[0]
    share = areas[:, areas.any(axis=0)] / np.maximum(areas.max(axis=0)[areas.any(axis=0)], 1)
    candidates = np.flatnonzero(areas.any(axis=1)) if areas.any() else np.arange(n_slices)
    best = np.zeros(share.shape[1])
    chosen: list[int] = []
    while len(chosen) < min(n, n_slices):
        gain = np.maximum(share - best, 0).sum(axis=1)
        gain[chosen] = -1
        pick = int(gain.argmax())
        if gain[pick] < 0.05:
            pick = _farthest(chosen, candidates, n_slices)
        chosen.append(pick)
        best = np.maximum(best, share[pick])
    return sorted(chosen)


def _farthest(chosen: list[int], candidates: NDArray[np.intp], n_slices: int) -> int:
    """The slice farthest from those chosen and from the ends, among the candidates as long as there are any."""
    pool = np.setdiff1d(candidates, chosen)
    if not pool.size:
        pool = np.setdiff1d(np.arange(n_slices), chosen)
    ends = [candidates.min() - 1, candidates.max() + 1]
    distance = np.abs(pool[:, None] - np.asarray([*chosen, *ends])[None]).min(axis=1)
    return int(pool[distance.argmax()])


def evenly_spaced(n_slices: int, n_chosen: int) -> list[int]:
    """The middles of ``n_chosen`` equal parts of a stack; all slices where there are no more."""
    n = min(n_slices, n_chosen)
    return [math.floor((k + 0.5) * n_slices / n) for k in range(n)]
