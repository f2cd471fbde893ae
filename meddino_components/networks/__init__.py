"""DINOv3 backbone, its projection head, the MedDINOv3 segmentation network, and attention over bags."""

from .architecture import ARCHITECTURE_ARGUMENTS, RUN_ARGUMENTS
from .channel_stem import ChannelStem
from .gated_attention import GatedAttention
from .patch_decoder import PatchDecoder
from .presets import PRESETS, complete_architecture, vit_backbone
from .projection_head import DINOHead
from .rope import RopePositionEmbedding
from .segmenter import MedDinoSegmenter
from .token_aggregator import MultiScaleTokenAggregator
from .vision_transformer import DinoVisionTransformer

__all__ = [
    "ARCHITECTURE_ARGUMENTS",
    "PRESETS",
    "RUN_ARGUMENTS",
    "ChannelStem",
    "DINOHead",
    "DinoVisionTransformer",
    "GatedAttention",
    "MedDinoSegmenter",
    "MultiScaleTokenAggregator",
    "PatchDecoder",
    "RopePositionEmbedding",
    "complete_architecture",
    "vit_backbone",
]
