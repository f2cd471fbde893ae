"""What training needs beside MONAI's engines and handlers."""

from .annotations import from_annotators
from .best_model import BestModel, LastModel
from .checkpointing import TrainingCheckpoint
from .class_balance_decay import ClassBalanceDecay
from .collapse_monitor import CollapseMonitor
from .early_stopping import EarlyStopping
from .feature_evaluation import FeatureEvaluation
from .gradient_clipping import GradientClipping
from .json_log import JsonLog, write_scalars
from .loss_scaling import LossScaling
from .objective import SelfDistillationObjective
from .param_groups import fine_tuning_groups, parameter_groups, self_distillation_groups
from .placement import on_device, unwrap
from .progress import RunProgress
from .record import training_record
from .run import run_training
from .run_folder import ReleaseRunFolder, RunFolder
from .schedule_handler import ScheduleHandler
from .schedules import Schedules, constant_schedule, warmup_cosine_schedule
from .sharding import shard
from .stages import stage_manifest, start_from_stage
from .student_teacher import SelfDistillationOutputs, StudentTeacher
from .teacher_export import TeacherExport
from .teacher_handlers import GramTeacherRefresh, TeacherUpdate
from .throughput import Throughput
from .trainer import SelfDistillationTrainer
from .validation import Validation

__all__ = [
    "BestModel",
    "ClassBalanceDecay",
    "CollapseMonitor",
    "EarlyStopping",
    "FeatureEvaluation",
    "GradientClipping",
    "GramTeacherRefresh",
    "JsonLog",
    "LastModel",
    "LossScaling",
    "ReleaseRunFolder",
    "RunFolder",
    "RunProgress",
    "ScheduleHandler",
    "Schedules",
    "SelfDistillationObjective",
    "SelfDistillationOutputs",
    "SelfDistillationTrainer",
    "StudentTeacher",
    "TeacherExport",
    "TeacherUpdate",
    "Throughput",
    "TrainingCheckpoint",
    "Validation",
    "constant_schedule",
    "fine_tuning_groups",
    "from_annotators",
    "on_device",
    "parameter_groups",
    "run_training",
    "self_distillation_groups",
    "shard",
    "stage_manifest",
    "start_from_stage",
    "training_record",
    "unwrap",
    "warmup_cosine_schedule",
    "write_scalars",
]
