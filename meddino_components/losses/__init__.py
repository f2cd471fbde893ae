"""Losses, computed over all processes if torch.distributed is initialised."""

from .dice_cross_entropy import DiceCrossEntropyLoss
from .dino import DINOLoss
from .gram import GramLoss
from .ibot import IBOTPatchLoss
from .koleo import KoLeoLoss
from .region_dice_cross_entropy import RegionDiceCrossEntropyLoss
from .segmentation_loss import segmentation_loss
from .sinkhorn_knopp import sinkhorn_knopp
from .softmax_center import CenteredSoftmax

__all__ = [
    "CenteredSoftmax",
    "DINOLoss",
    "DiceCrossEntropyLoss",
    "GramLoss",
    "IBOTPatchLoss",
    "KoLeoLoss",
    "RegionDiceCrossEntropyLoss",
    "segmentation_loss",
    "sinkhorn_knopp",
]
