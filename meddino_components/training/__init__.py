"""Handlers and helpers for training that MONAI does not provide."""

from .annotations import from_annotators
from .best_model import BestModel, LastModel
from .checkpointing import TrainingCheckpoint
from .class_balance_decay import ClassBalanceDecay
from .early_stopping import EarlyStopping
from .gradient_clipping import GradientClipping
from .json_log import JsonLog, write_scalars
from .loss_scaling import LossScaling
from .param_groups import fine_tuning_groups
from .partial_batches import PreparePartialBatch
from .progress import RunProgress
from .record import TrainingData, training_record
from .run import run_training
from .run_folder import ReleaseRunFolder, RunFolder
from .throughput import Throughput
from .validation import Validation

__all__ = [
    "BestModel",
    "ClassBalanceDecay",
    "EarlyStopping",
    "GradientClipping",
    "JsonLog",
    "LastModel",
    "LossScaling",
    "PreparePartialBatch",
    "ReleaseRunFolder",
    "RunFolder",
    "RunProgress",
    "Throughput",
    "TrainingCheckpoint",
    "TrainingData",
    "Validation",
    "fine_tuning_groups",
    "from_annotators",
    "run_training",
    "training_record",
    "write_scalars",
]
