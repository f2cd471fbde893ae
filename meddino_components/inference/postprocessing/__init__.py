"""Post-processing of label maps: steps that change the mask of one organ or region of a whole case."""

from .chosen_steps import chosen_steps
from .fill_holes import FillHoles
from .label_map_steps import OrganSteps, postprocess_labels, structures_of
from .largest_component import LargestComponent
from .recorded_steps import plain_steps, read_steps
from .smallest_size import SmallestSize
from .step import PostprocessingStep
from .transform import PostprocessLabelsd

__all__ = [
    "FillHoles",
    "LargestComponent",
    "OrganSteps",
    "PostprocessLabelsd",
    "PostprocessingStep",
    "SmallestSize",
    "chosen_steps",
    "plain_steps",
    "postprocess_labels",
    "read_steps",
    "structures_of",
]
