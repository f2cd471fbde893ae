"""A network so small that it is exported in seconds, with weights by which its positions and labels matter."""

import torch

from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter


def tiny_segmenter(in_channels=1, num_classes=3, rope="bf16", backbone=None):
    torch.manual_seed(0)
    backbone = DinoVisionTransformer(
        embed_dim=16,
        depth=1,
        num_heads=2,
        layerscale_init=1.0,
        n_storage_tokens=1,
        in_chans=3 if in_channels == 1 else in_channels,
        pos_embed_rope_dtype=rope,
        **(backbone or {}),
    )
    network = MedDinoSegmenter(
        backbone=backbone, num_classes=num_classes, in_channels=in_channels, interaction_indices=[0]
    ).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network
