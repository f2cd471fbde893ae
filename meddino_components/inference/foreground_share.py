"""Compute the probability of any foreground, in the memory of two volumes whatever the number of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..networks import MedDinoSegmenter


def has_dropout(network: nn.Module) -> bool:
    """Return whether one of our networks has dropout before its decoder, as MONAI Label's epistemic scoring sets."""
    return isinstance(network, MedDinoSegmenter) and network.dropout > 0


class ForegroundShare:
    """Stand in for an array [K, H, W, D] of probabilities, but keep only the sums of background and foreground.

    Args:
        shape: shape (H, W, D) of the volume.
        regions: whether the probabilities belong to nested regions, the first of which contains the others; otherwise
            to classes, the first of which is the background.

    Attributes:
        array: probabilities [2, H, W, D] float16 of background and foreground; background where nothing was written.
    """

    def __init__(self, *, shape: tuple[int, ...], regions: bool) -> None:
        self.regions = regions
        self.array: NDArray[np.float16] = np.zeros((2, *shape), np.float16)
        self.array[0] = 1

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, tuple):
            return  # sets one class outside the body, where the array already is background
        first = np.asarray(value)[0]
        foreground = first if self.regions else 1 - first
        self.array[1][key[1:]] = foreground
        self.array[0][key[1:]] = 1 - foreground
