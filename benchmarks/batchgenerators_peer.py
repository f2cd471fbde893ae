"""nnU-Net's augmentation for two dimensions, put together from batchgeneratorsv2's transforms.

The numbers are those of nnU-Net 2.8.1, `nnUNetTrainer.get_training_transforms` of a square patch.
"""

from __future__ import annotations

import math

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform


def nnunet_transforms(patch_size: tuple[int, int]) -> dict[str, BasicTransform]:
    """The transforms by our names, in nnU-Net's order."""
    gamma = {"gamma": BGContrast((0.7, 1.5)), "synchronize_channels": False, "p_per_channel": 1, "p_retain_stats": 1}
    spatial = SpatialTransform(
        patch_size,
        patch_center_dist_from_border=0,
        random_crop=False,
        p_elastic_deform=0,
        p_rotation=0.2,
        rotation=(-math.pi, math.pi),
        p_scaling=0.2,
        scaling=(0.7, 1.4),
        p_synchronize_scaling_across_axes=1,
        bg_style_seg_sampling=False,
        border_mode_seg="constant",
        padding_value_seg=-1,
    )
    noise = GaussianNoiseTransform(noise_variance=(0, 0.1), p_per_channel=1, synchronize_channels=True)
    blur = GaussianBlurTransform(
        blur_sigma=(0.5, 1.0), synchronize_channels=False, synchronize_axes=False, p_per_channel=0.5, benchmark=False
    )
    brightness = MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), synchronize_channels=False)
    contrast = ContrastTransform(BGContrast((0.75, 1.25)), preserve_range=True, synchronize_channels=False)
    low_resolution = SimulateLowResolutionTransform(
        scale=(0.5, 1), synchronize_channels=False, synchronize_axes=True, ignore_axes=None, p_per_channel=0.5
    )
    return {
        "rotation and scale": spatial,
        "noise": RandomTransform(noise, apply_probability=0.1),
        "blur": RandomTransform(blur, apply_probability=0.2),
        "brightness": RandomTransform(brightness, apply_probability=0.15),
        "contrast": RandomTransform(contrast, apply_probability=0.15),
        "low resolution": RandomTransform(low_resolution, apply_probability=0.25),
        "inverted gamma": RandomTransform(GammaTransform(p_invert_image=1, **gamma), apply_probability=0.1),
        "gamma": RandomTransform(GammaTransform(p_invert_image=0, **gamma), apply_probability=0.3),
        "mirror": MirrorTransform((0, 1)),
        "outside": RemoveLabelTansform(-1, 0),
    }
