"""Losses; global over processes where torch.distributed is initialised."""

from .dice_cross_entropy import DiceCrossEntropyLoss

__all__ = ["DiceCrossEntropyLoss"]
