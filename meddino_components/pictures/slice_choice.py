"""Choose the slices of a volume or a label map to show."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def label_areas(labels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the pixels of each label 1 to 255 in each slice, [D, 255], and in each row across slices, [H, 255]."""
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
    """Return n slices, in order, that together show every organ as large as possible.

    The choice is greedy. For each organ, the score of a choice is the largest area in a chosen slice divided by the
    organ's largest area in any slice. Each step adds the slice that increases the sum over organs most. If no slice
    increases it, slices far from the chosen ones are added.

    Args:
        areas: number of pixels of each label in each slice, [S, L].
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
    """Return the slice farthest from the chosen ones and from the ends, from the candidates while there are any."""
    pool = np.setdiff1d(candidates, chosen)
    if not pool.size:
        pool = np.setdiff1d(np.arange(n_slices), chosen)
    ends = [candidates.min() - 1, candidates.max() + 1]
    distance = np.abs(pool[:, None] - np.asarray([*chosen, *ends])[None]).min(axis=1)
    return int(pool[distance.argmax()])


def evenly_spaced(n_slices: int, n_chosen: int) -> list[int]:
    """Return the middle slices of ``n_chosen`` equal parts of a stack; all slices if there are no more."""
    n = min(n_slices, n_chosen)
    return [math.floor((k + 0.5) * n_slices / n) for k in range(n)]
