"""DINOv3 backbone, its projection head and the MedDINOv3 segmentation network."""

from .channel_stem import ChannelStem
from .patch_decoder import PatchDecoder
from .presets import PRESETS, chosen_backbone, vit_backbone
from .projection_head import DINOHead
from .rope import RopePositionEmbedding
from .segmenter import MedDinoSegmenter
from .token_aggregator import MultiScaleTokenAggregator
from .vision_transformer import DinoVisionTransformer

__all__ = [
    "PRESETS",
    "ChannelStem",
    "DINOHead",
    "DinoVisionTransformer",
    "MedDinoSegmenter",
    "MultiScaleTokenAggregator",
    "PatchDecoder",
    "RopePositionEmbedding",
    "chosen_backbone",
    "vit_backbone",
]
