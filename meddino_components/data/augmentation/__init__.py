"""Random transforms of training slices that MONAI lacks: nnU-Net's default for two dimensions is made of them."""

from .background import KeepBackgroundd
from .channelwise import RandBlurd, RandGammad, RandLowResolutiond
from .rotation_and_scale import RandRotateScaled

__all__ = ["KeepBackgroundd", "RandBlurd", "RandGammad", "RandLowResolutiond", "RandRotateScaled"]
