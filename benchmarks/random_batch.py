"""A batch of self-distillation without images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from flops import Crops

from meddino_components.data.crops.collate import collate_masks


def random_batch(crops: Crops, n_images: int) -> dict[str, Any]:
    """Random crops of one channel, as the loader gives them, with masks of the recipe."""
    generator = torch.Generator().manual_seed(0)
    sizes = {"global_crops": (crops.n_global, crops.global_px), "local_crops": (crops.n_local, crops.local_px)}
    if crops.gram_px:
        sizes["gram_teacher_crops"] = (crops.n_global, crops.gram_px)
    pixels = {k: torch.randn(n * n_images, 1, px, px, generator=generator) for k, (n, px) in sizes.items()}
    masks = collate_masks(
        n_crops=crops.n_global,
        n_samples=n_images,
        generator=np.random.default_rng(0),
        grid=(crops.global_px // 16, crops.global_px // 16),
        mask_probability=0.5,
        mask_ratio=(0.1, 0.5),
    )
    return {**pixels, **masks}
