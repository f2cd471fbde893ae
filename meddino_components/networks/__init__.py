"""DINOv3 backbone, its projection head, the MedDINOv3 segmentation network, and attention over bags."""

from .channel_stem import ChannelStem
from .gated_attention import GatedAttention
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
    "GatedAttention",
    "MedDinoSegmenter",
    "MultiScaleTokenAggregator",
    "PatchDecoder",
    "RopePositionEmbedding",
    "chosen_backbone",
    "vit_backbone",
]
