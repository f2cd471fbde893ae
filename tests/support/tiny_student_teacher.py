"""A network for tests of self-distillation, and a batch for it."""

import numpy as np
import torch

from meddino_components.data.crops.collate import collate_crops
from meddino_components.networks import DINOHead, DinoVisionTransformer
from meddino_components.self_distillation import StudentTeacher

PROTOTYPES = 24


def tiny_student_teacher(*, seed=0, embed_dim=48, gram_teacher="none", **options):
    torch.manual_seed(seed)
    backbone = DinoVisionTransformer(
        embed_dim=embed_dim, depth=2, num_heads=2, n_storage_tokens=2, in_chans=3, layerscale_init=0.1
    )
    heads = [DINOHead(in_dim=embed_dim, out_dim=PROTOTYPES, hidden_dim=32, bottleneck_dim=16) for _ in range(2)]
    return StudentTeacher(
        backbone=backbone, dino_head=heads[0], ibot_head=heads[1], gram_teacher=gram_teacher, **options
    )


def tiny_batch(*, n_images=3, seed=0, global_px=64, local_px=32, gram_px=None):
    generator = torch.Generator().manual_seed(seed)
    sizes = {"global_crops": (2, global_px), "local_crops": (3, local_px)}
    if gram_px:
        sizes["gram_teacher_crops"] = (2, gram_px)
    samples = [
        {name: [torch.randn(1, px, px, generator=generator) for _ in range(n)] for name, (n, px) in sizes.items()}
        for _ in range(n_images)
    ]
    return collate_crops(
        samples,
        generator=np.random.default_rng(seed),
        grid=(global_px // 16, global_px // 16),
        mask_probability=0.5,
        mask_ratio=(0.1, 0.5),
    )
