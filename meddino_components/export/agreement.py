"""How near an exported network is to the one it was made from, on random slices.

Shapes: B slices, C channels, K outputs, H x W.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The comparison on one batch.

    Attributes:
        shape: of the input.
        max_abs_difference: of the logits.
        max_abs_logit: of the original network, for comparison.
        mean_dice: of the labels, averaged over the outputs that either network gives to any pixel.
        n_labels: how many outputs those are; a trained network may see little in noise.
    """

    shape: tuple[int, ...]
    max_abs_difference: float
    max_abs_logit: float
    mean_dice: float
    n_labels: int

    @property
    def relative_difference(self) -> float:
        """The largest difference over the largest logit; infinite where either is no finite number."""
        relative = self.max_abs_difference / self.max_abs_logit if self.max_abs_logit else self.max_abs_difference
        return relative if relative < float("inf") else float("inf")

    def __str__(self) -> str:
        shape = " x ".join(str(side) for side in self.shape)
        return (
            f"{shape}: logits differ by at most {self.max_abs_difference:.2e}, the largest being "
            f"{self.max_abs_logit:.3g}; Dice of {self.n_labels} labels {self.mean_dice:.5f}"
        )


def compare(
    network: Network, exported: Network, shapes: Sequence[tuple[int, ...]], *, independent: bool = False
) -> list[Agreement]:
    """Compare two networks on random slices of each shape.

    Args:
        network: the original.
        exported: what has to agree with it.
        shapes: of the inputs, [B, C, H, W].
        independent: outputs are regions that may overlap, each where its logit is positive; otherwise they are classes
            that exclude each other.
    """
    results = []
    for seed, shape in enumerate(shapes):
        slices = random_slices(shape, seed)
        with torch.no_grad():
            expected = network(slices).float()
        found = exported(slices).float()
        dice = _dice(_masks(found, independent), _masks(expected, independent))
        results.append(
            Agreement(
                shape=tuple(shape),
                max_abs_difference=float((found - expected).abs().max()),
                max_abs_logit=float(expected.abs().max()),
                mean_dice=float(dice.mean()) if len(dice) else 1.0,
                n_labels=len(dice),
            )
        )
    return results


def random_slices(shape: tuple[int, ...], seed: int) -> Tensor:
    """Normal noise that is coarse for the most part, as organs are: of white noise a network makes little."""
    generator = torch.Generator().manual_seed(seed)
    batch, channels, height, width = shape
    coarse = torch.randn(batch, channels, max(height // 16, 2), max(width // 16, 2), generator=generator)
    fine = torch.randn(batch, channels, height, width, generator=generator)
    return F.interpolate(coarse, size=(height, width), mode="bilinear") + 0.3 * fine


def _masks(logits: Tensor, independent: bool) -> Tensor:
    """[B, K, H, W] bool: where each output is what the network sees."""
    if independent or logits.shape[1] == 1:
        return logits > 0
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(1, logits.argmax(dim=1, keepdim=True), True)


def _dice(found: Tensor, expected: Tensor) -> Tensor:
    """Dice of each output that either network gives to any pixel."""
    pixels = (found.sum((0, 2, 3)) + expected.sum((0, 2, 3))).double()
    both = (found & expected).sum((0, 2, 3)).double()
    return (2 * both / pixels)[pixels > 0]
