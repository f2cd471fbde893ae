"""What training needs beside MONAI's engines and handlers."""

from .best_model import BestModel
from .checkpointing import TrainingCheckpoint
from .class_balance_decay import ClassBalanceDecay
from .early_stopping import EarlyStopping
from .gradient_clipping import GradientClipping
from .json_log import JsonLog
from .objective import SelfDistillationObjective
from .param_groups import parameter_groups
from .placement import on_device, unwrap
from .progress import RunProgress
from .schedule_handler import ScheduleHandler
from .schedules import Schedules, warmup_cosine_schedule
from .student_teacher import SelfDistillationOutputs, StudentTeacher
from .teacher_handlers import GramTeacherRefresh, TeacherUpdate
from .trainer import SelfDistillationTrainer

__all__ = [
    "BestModel",
    "ClassBalanceDecay",
    "EarlyStopping",
    "GradientClipping",
    "GramTeacherRefresh",
    "JsonLog",
    "RunProgress",
    "ScheduleHandler",
    "Schedules",
    "SelfDistillationObjective",
    "SelfDistillationOutputs",
    "SelfDistillationTrainer",
    "StudentTeacher",
    "TeacherUpdate",
    "TrainingCheckpoint",
    "on_device",
    "parameter_groups",
    "unwrap",
    "warmup_cosine_schedule",
]
