"""Segment volumes on their own grid: inferers, writers, and the engine that runs a folder of cases."""

from .autocast import AutocastInferer, autocast_dtype, supports_bfloat16, supports_low_precision
from .case_evaluator import CaseEvaluator
from .foreground_share import has_dropout
from .model import load_model_weights, member_facts, model_settings, network_of_model
from .model_settings import ModelSettings
from .postprocessing import FillHoles, LargestComponent, PostprocessingStep, PostprocessLabelsd, SmallestSize
from .volume_inferer import VolumeInferer
from .writers import WriteCased

__all__ = [
    "AutocastInferer",
    "CaseEvaluator",
    "FillHoles",
    "LargestComponent",
    "ModelSettings",
    "PostprocessLabelsd",
    "PostprocessingStep",
    "SmallestSize",
    "VolumeInferer",
    "WriteCased",
    "autocast_dtype",
    "has_dropout",
    "load_model_weights",
    "member_facts",
    "model_settings",
    "network_of_model",
    "supports_bfloat16",
    "supports_low_precision",
]
