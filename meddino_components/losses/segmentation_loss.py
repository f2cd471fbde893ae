"""Use any loss in place of the bundles' own."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError


def segmentation_loss(
    loss: nn.Module,
    *,
    regions: Sequence[Sequence[int]] | None = None,
    class_balance: float = 0.0,
    partial: bool = False,
) -> nn.Module:
    """Return the module that a trainer calls with logits and label numbers [B, 1, ...].

    A loss for classes gets the label numbers, and so does a loss for regions with an attribute ``regions``. Any other
    loss for regions gets one mask per region. If cases lack annotations (``partial``), the trainer calls the module
    with logits and a pair of label numbers and ``annotated`` [B, K], which the loss gets as an argument of this name.

    Args:
        loss: loss from this package or from MONAI (with ``to_onehot_y`` for classes), or any module of (logits,
            labels).
        regions: labels of each region; None for mutually exclusive classes.
        class_balance: the configuration's ``class_balance``, which is set as the loss's attribute of this name.
        partial: whether cases lack annotations, see `SliceDataset`.

    Raises:
        InputError: ``class_balance`` is not 0, and the loss has no such attribute; or cases lack annotations, and the
            loss does not take ``annotated``.
    """
    if class_balance and not hasattr(loss, "class_balance"):
        raise InputError(
            f"class_balance is {class_balance}, but {type(loss).__name__} does not use it: set --class_balance 0, and "
            f"give the loss its own weights"
        )
    if partial and "annotated" not in inspect.signature(loss.forward).parameters:
        raise InputError(
            f"{type(loss).__name__} does not take 'annotated', but the data list has cases with 'annotated' or with "
            "voxels that nobody annotated, which it would count as background: use DiceCrossEntropyLoss or "
            "RegionDiceCrossEntropyLoss, give its forward an argument 'annotated', or leave these cases out"
        )
    numbered = loss if regions is None or hasattr(loss, "regions") else _OfRegions(loss, regions)
    return _OfPartialLabels(numbered) if partial else numbered


class _OfPartialLabels(nn.Module):
    """Call a loss of (logits, labels, annotated) with logits and a pair of labels and ``annotated``."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor | Sequence[Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
        labels, annotated = targets
        loss: Tensor = self.loss(logits, labels, annotated=annotated)
        return loss


class _OfRegions(nn.Module):
    """Call a loss of (logits [B, R, ...], masks [B, R, ...]) with labels [B, 1, ...]."""

    def __init__(self, loss: nn.Module, regions: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.loss, self.regions = loss, [list(region) for region in regions]

    def forward(self, logits: Tensor | Sequence[Tensor], labels: Tensor, **more: Any) -> Tensor:
        masks = [torch.isin(labels, torch.tensor(region, device=labels.device)) for region in self.regions]
        loss: Tensor = self.loss(logits, torch.cat(masks, dim=1).float(), **more)
        return loss
