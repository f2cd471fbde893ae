"""Draws of a bootstrap over units, and percentile intervals of what they give.

Shapes: N samples, U units that are drawn as a whole (patients, slabs), R resamples.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .intervals import Interval


def resampled_units(n_units: int, *, n_resamples: int, seed: int) -> Tensor:
    """How often each unit counts, [1 + R, U]: once each in the first row, which gives the value itself, then as drawn.

    Args:
        n_units: U.
        n_resamples: R.
        seed: of a generator of its own; the global ones are not touched.

    Raises:
        ValueError: fewer than two units.

    Reference: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    if n_units < 2:
        raise ValueError(f"{n_units} unit to resample: at least two patients are needed")
    draws = np.random.default_rng(seed).integers(n_units, size=(n_resamples, n_units))
    counts = torch.zeros(n_resamples, n_units).scatter_add_(1, torch.from_numpy(draws), torch.ones(draws.shape))
    return torch.cat((torch.ones(1, n_units), counts))


def percentile_interval(values: Tensor, *, confidence: float = 0.95) -> Interval:
    """Of values [1 + R], such as a metric under each row of `resampled_units` or the difference of two."""
    resampled = values[1:][values[1:].isfinite()].numpy()
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, (tail, 1 - tail)) if len(resampled) else (float("nan"),) * 2
    return Interval(float(values[0]), float(low), float(high))
