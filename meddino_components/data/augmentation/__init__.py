"""Random transforms of training slices that MONAI lacks, as in nnU-Net's 2D default."""

from .background import KeepBackgroundd
from .channelwise import RandBlurd, RandGammad, RandLowResolutiond
from .rotation_and_scale import RandRotateScaled

__all__ = ["KeepBackgroundd", "RandBlurd", "RandGammad", "RandLowResolutiond", "RandRotateScaled"]
