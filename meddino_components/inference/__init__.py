"""Volume in, labels on the same grid out; writers and the engine that runs a folder of cases."""

from .autocast import AutocastInferer, supports_bfloat16
from .body_region import body_mask, body_region
from .case_evaluator import CaseEvaluator
from .foreground_share import has_dropout
from .model_settings import ModelSettings, model_settings, network_of_model
from .overlay import write_overlay
from .volume_inferer import VolumeInferer
from .writers import WriteCased

__all__ = [
    "AutocastInferer",
    "CaseEvaluator",
    "ModelSettings",
    "VolumeInferer",
    "WriteCased",
    "body_mask",
    "body_region",
    "has_dropout",
    "model_settings",
    "network_of_model",
    "supports_bfloat16",
    "write_overlay",
]
