"""Standardised features: mean 0 and standard deviation 1 over the training samples. Shapes: N samples, D width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Standardisation:
    """The mean and standard deviation by which features are standardised.

    A constant feature becomes 0. Rounding can leave it a deviation slightly above 0, and dividing by that would amplify
    noise: a deviation below ten times the floating-point precision of the mean counts as 0 and is replaced by 1.

    Attributes:
        mean: [D].
        std: [D], above 0.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Standardisation:
        """Standardisation by features [N, D] in memory, computed in their precision and on their device."""
        std, mean = torch.std_mean(features, dim=0, correction=0)
        return cls(mean, _without_zeros(std, mean))

    @classmethod
    def of_parts(cls, parts: Iterable[Tensor]) -> Standardisation:
        """Standardisation by features that arrive in parts [n, D]: one pass in float64, the result in float32.

        Raises:
            ValueError: there are no features.
        """
        count, total, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for part in parts:
            items = part.double()
            count, total, squares = count + len(items), total + items.sum(0), squares + (items**2).sum(0)
        if not count:
            raise ValueError("no features to standardise by")
        mean = total / count
        std = (squares / count - mean**2).clamp(min=0).sqrt()
        return cls(mean.float(), _without_zeros(std.float(), mean.float()))

    def to(self, device: torch.device | str) -> Standardisation:
        """A copy on another device."""
        return Standardisation(self.mean.to(device), self.std.to(device))

    def __call__(self, features: Tensor) -> Tensor:
        """Standardise features [N, D], in the precision of the mean."""
        return (features.to(self.mean.dtype) - self.mean) / self.std


def _without_zeros(std: Tensor, mean: Tensor) -> Tensor:
    floor = 10 * torch.finfo(std.dtype).eps * mean.abs()
    return torch.where(std <= floor, torch.ones_like(std), std)
