"""Pretraining by self-distillation: student and teachers, objective, trainer, stages, monitors."""

from .collapse_monitor import CollapseMonitor
from .feature_evaluation import FeatureEvaluation
from .objective import SelfDistillationObjective
from .param_groups import parameter_groups, self_distillation_groups
from .schedule_handler import ScheduleHandler
from .schedules import Schedules, constant_schedule, warmup_cosine_schedule
from .stages import stage_manifest, start_from_stage
from .student_teacher import SelfDistillationOutputs, StudentTeacher
from .teacher_export import TeacherExport
from .teacher_handlers import GramTeacherRefresh, TeacherUpdate
from .trainer import SelfDistillationTrainer

__all__ = [
    "CollapseMonitor",
    "FeatureEvaluation",
    "GramTeacherRefresh",
    "ScheduleHandler",
    "Schedules",
    "SelfDistillationObjective",
    "SelfDistillationOutputs",
    "SelfDistillationTrainer",
    "StudentTeacher",
    "TeacherExport",
    "TeacherUpdate",
    "constant_schedule",
    "parameter_groups",
    "self_distillation_groups",
    "stage_manifest",
    "start_from_stage",
    "warmup_cosine_schedule",
]
