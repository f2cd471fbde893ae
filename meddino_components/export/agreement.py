"""Compare an exported network with the original on random slices.

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
    """Result of the comparison on one batch.

    Attributes:
        shape: shape of the input.
        max_abs_difference: largest absolute difference of the logits.
        max_abs_logit: largest absolute logit of the original network, for comparison.
        mean_dice: Dice between the labels, averaged over the outputs that either network predicts for any pixel.
        n_labels: number of those outputs; in noise, a trained network may predict few.
    """

    shape: tuple[int, ...]
    max_abs_difference: float
    max_abs_logit: float
    mean_dice: float
    n_labels: int

    @property
    def relative_difference(self) -> float:
        """Return the largest difference divided by the largest logit; infinite if either is not finite."""
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
        network: original network.
        exported: exported network to compare with it.
        shapes: shapes of the inputs, [B, C, H, W].
        independent: whether outputs are regions that may overlap, predicted where their logit is positive; otherwise
            they are mutually exclusive classes.
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
    """Draw normal noise that is mostly coarse, like organs: in white noise a network predicts little."""
    generator = torch.Generator().manual_seed(seed)
    batch, channels, height, width = shape
    coarse = torch.randn(batch, channels, max(height // 16, 2), max(width // 16, 2), generator=generator)
    fine = torch.randn(batch, channels, height, width, generator=generator)
    return F.interpolate(coarse, size=(height, width), mode="bilinear") + 0.3 * fine


def _masks(logits: Tensor, independent: bool) -> Tensor:
    """Return where the network predicts each output, boolean [B, K, H, W]."""
    if independent or logits.shape[1] == 1:
        return logits > 0
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(1, logits.argmax(dim=1, keepdim=True), True)


def _dice(found: Tensor, expected: Tensor) -> Tensor:
    """Return the Dice of each output that either network predicts for any pixel."""
    pixels = (found.sum((0, 2, 3)) + expected.sum((0, 2, 3))).double()
    both = (found & expected).sum((0, 2, 3)).double()
    return (2 * both / pixels)[pixels > 0]
