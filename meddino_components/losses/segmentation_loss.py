"""Use any loss in place of the bundles' own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError


def segmentation_loss(
    loss: nn.Module, *, regions: Sequence[Sequence[int]] | None = None, class_balance: float = 0.0
) -> nn.Module:
    """Return the module that a trainer calls with logits and label numbers [B, 1, ...].

    A loss for classes gets the label numbers, and so does a loss for regions with an attribute ``regions``. Any other
    loss for regions gets one mask per region.

    Args:
        loss: loss from this package or from MONAI (with ``to_onehot_y`` for classes), or any module of (logits,
            labels).
        regions: labels of each region; None for mutually exclusive classes.
        class_balance: the configuration's ``class_balance``, which is set as the loss's attribute of this name.

    Raises:
        InputError: ``class_balance`` is not 0, and the loss has no such attribute.
    """
    if class_balance and not hasattr(loss, "class_balance"):
        raise InputError(
            f"class_balance is {class_balance}, but {type(loss).__name__} does not use it: set --class_balance 0, and "
            f"give the loss its own weights"
        )
    return loss if regions is None or hasattr(loss, "regions") else _OfRegions(loss, regions)


class _OfRegions(nn.Module):
    """Call a loss of (logits [B, R, ...], masks [B, R, ...]) with labels [B, 1, ...]."""

    def __init__(self, loss: nn.Module, regions: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.loss, self.regions = loss, [list(region) for region in regions]

    def forward(self, logits: Tensor | Sequence[Tensor], labels: Tensor) -> Tensor:
        masks = [torch.isin(labels, torch.tensor(region, device=labels.device)) for region in self.regions]
        loss: Tensor = self.loss(logits, torch.cat(masks, dim=1).float())
        return loss
