"""Images whose right labels are themselves, and a network that knows it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class Thresholds(nn.Module):
    """Class k where the intensity is nearest to k: the answer for an image of labels is that image."""

    def __init__(self, n_classes: int = 4) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.arange(n_classes, dtype=torch.float32).view(1, -1, 1, 1))
        self.batches: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(tuple(x.shape))
        return -((x[:, :1] - self.levels) ** 2)


class ShortOfMemory(Thresholds):
    """Raises as the CPU allocator does when more than two slices come at once."""

    def __init__(self, most: int = 2, message: str = "DefaultCPUAllocator: can't allocate memory: you tried") -> None:
        super().__init__()
        self.most, self.message = most, message

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > self.most:
            raise RuntimeError(self.message)
        return super().forward(x)


def labels_volume(*size: int, seed: int = 0, n_classes: int = 4) -> Tensor:
    """Blocks of 4 x 4 pixels of random labels as an image [1, 1, H, W, D]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, n_classes, [-(-size[0] // 4), -(-size[1] // 4), size[2]])
    full = coarse.repeat(4, axis=0).repeat(4, axis=1)[: size[0], : size[1]]
    return torch.from_numpy(full.astype(np.float32))[None, None]
