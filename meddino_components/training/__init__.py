"""What training needs beside MONAI's engines and handlers."""

from .best_model import BestModel
from .checkpointing import TrainingCheckpoint
from .class_balance_decay import ClassBalanceDecay
from .early_stopping import EarlyStopping
from .gradient_clipping import GradientClipping
from .json_log import JsonLog
from .placement import on_device
from .progress import RunProgress

__all__ = [
    "BestModel",
    "ClassBalanceDecay",
    "EarlyStopping",
    "GradientClipping",
    "JsonLog",
    "RunProgress",
    "TrainingCheckpoint",
    "on_device",
]
