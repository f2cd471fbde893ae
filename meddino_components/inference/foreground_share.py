"""What is likely to be anything at all, in the memory of two volumes whatever the number of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..networks import MedDinoSegmenter


def has_dropout(network: nn.Module) -> bool:
    """Whether dropout is set before the decoder of a network of ours, as MONAI Label's epistemic scoring does."""
    return isinstance(network, MedDinoSegmenter) and network.dropout > 0


class ForegroundShare:
    """Stands for an array [K, H, W, D] of probabilities and keeps the sums of background and foreground of what is
    written into it.

    Args:
        shape: (H, W, D).
        regions: the probabilities are of regions within each other, the first of which holds the others; otherwise of
            classes, the first of which is the background.

    Attributes:
        array: [2, H, W, D] float16, background and foreground; background where nothing was written.
    """

    def __init__(self, *, shape: tuple[int, ...], regions: bool) -> None:
        self.regions = regions
        self.array: NDArray[np.float16] = np.zeros((2, *shape), np.float16)
        self.array[0] = 1

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, tuple):
            return  # one class as a whole, outside the body: as it is already
        first = np.asarray(value)[0]
        foreground = first if self.regions else 1 - first
        self.array[1][key[1:]] = foreground
        self.array[0][key[1:]] = 1 - foreground
