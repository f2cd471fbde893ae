"""Volumes of known intensities, and their normalisation."""

import numpy as np
import torch
from monai.data import MetaTensor

from meddino_components.data import NormalizeIntensityByModalityd


def ct(values=(-3024, -2000, -1000, 0, 65.1084213, 1000, 30000)) -> MetaTensor:
    return MetaTensor(torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1))


def normalize(volume, **kwargs):
    return NormalizeIntensityByModalityd(keys="image", **kwargs)({"image": volume})["image"]


def hounsfield(shift=0.0, padding=None) -> MetaTensor:
    """Air, fat, tissue and bone in the shares of a chest, shifted."""
    generator = np.random.default_rng(0)
    levels = [(-1000, 10, 0.6), (-90, 20, 0.15), (50, 30, 0.2), (400, 150, 0.04), (1000, 150, 0.01)]
    values = np.concatenate([generator.normal(mean, std, int(40_000 * share)) for mean, std, share in levels]) + shift
    if padding is not None:
        values[:2000] = padding
    return MetaTensor(torch.as_tensor(values, dtype=torch.float32).reshape(1, 40, 40, -1))
