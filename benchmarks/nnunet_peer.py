"""nnU-Net v2's predictor with this project's weights: the network in plain form, and the plans that drive it.

Shapes: B batch, C channels, H x W a window, K classes, D slices.
"""

from __future__ import annotations

import contextlib
import io
import os

import torch
import torchvision_shim  # noqa: F401  nnU-Net imports torchvision
from torch import Tensor, nn

from meddino_components.data.volumes.intensity_table import INTENSITY_TABLE
from meddino_components.networks import MedDinoSegmenter

# otherwise nnU-Net sets eight threads on any machine
os.environ.setdefault("nnUNet_def_n_proc", str(torch.get_num_threads()))
with contextlib.redirect_stdout(io.StringIO()):  # it asks for folders that only training needs
    from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager


class ChannelLayerNorm(nn.Module):
    """Layer norm over the channels of [B, C, H, W], as written in public decoders (nnU-Net's, Segment Anything's)."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class PlainSegmenter(nn.Module):
    """The published network as it is usually written, sharing the parameters of ``segmenter``.

    The backbone is the same module: transposed convolutions, channel norms and GELU on images differ from ours.
    """

    def __init__(self, segmenter: MedDinoSegmenter) -> None:
        super().__init__()
        self.stem, self.backbone = segmenter.stem, segmenter.backbone
        self.levels = segmenter.aggregator.interaction_indices
        stages: list[nn.Module] = []
        for stage in segmenter.decoder.stages:
            up = nn.ConvTranspose2d(*stage.up.weight.shape[:2], kernel_size=2, stride=2)
            up.weight, up.bias = nn.Parameter(stage.up.weight.detach().contiguous()), stage.up.bias
            stages += [up, ChannelLayerNorm(stage.norm), nn.GELU()]
        self.decoder = nn.Sequential(*stages, segmenter.decoder.head)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.backbone.get_intermediate_layers(self.stem(x), n=self.levels, reshape=True)
        return self.decoder(torch.cat([m.contiguous() for m in maps], dim=1))


def check_plain_equals(segmenter: MedDinoSegmenter, plain: PlainSegmenter, pixels: int) -> float:
    """Largest difference of the logits on noise; refuses more than rounding."""
    image = torch.randn(2, segmenter.stem.in_channels, pixels, pixels, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = segmenter(image), plain(image)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    return float((ours - theirs).abs().max())


class NnunetPeer:
    """nnU-Net v2's predictor of a 2D configuration: Gaussian weights, no mirroring, CPU.

    Args:
        network: [1, C, h, w] -> logits [1, K, h, w].
        n_classes: K.
        roi_size: (h, w).
        step_size: share of a window between two windows.
        pixdim_mm: in-plane spacing of the configuration.
    """

    def __init__(
        self, *, network: nn.Module, n_classes: int, roi_size: tuple[int, int], step_size: float, pixdim_mm: float
    ) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.predictor = nnUNetPredictor(
                tile_step_size=step_size, use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False
            )
        labels = {"background": 0, **{f"class_{k}": k for k in range(1, n_classes)}}
        dataset = {"labels": labels, "channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}
        plans = PlansManager(_plans(roi_size, pixdim_mm))
        self.predictor.manual_initialization(
            network, plans, plans.get_configuration("2d"), [network.state_dict()], dataset, "nnUNetTrainer", None
        )

    def labels(self, volume: Tensor, spacing_mm: tuple[float, float, float]) -> Tensor:
        """Preprocessed [C, D, H, W] at the configuration's spacing -> [D, H, W], without resampling."""
        predictor = self.predictor
        shape = tuple(volume.shape[1:])
        properties = {
            "spacing": list(spacing_mm),
            "shape_before_cropping": shape,
            "shape_after_cropping_and_before_resampling": shape,
            "bbox_used_for_cropping": [[0, n] for n in shape],
        }
        logits = predictor.predict_logits_from_preprocessed_data(volume)
        return torch.as_tensor(
            convert_predicted_logits_to_segmentation_with_correct_shape(
                logits,
                predictor.plans_manager,
                predictor.configuration_manager,
                predictor.label_manager,
                properties,
                num_threads_torch=torch.get_num_threads(),
            )
        )

    def whole_case(self, raw: Tensor, spacing_mm: tuple[float, float, float]) -> Tensor:
        """Raw HU [C, D, H, W] -> [D, H, W], with nnU-Net's own cropping, normalisation and resampling."""
        return torch.as_tensor(self.predictor.predict_single_npy_array(raw.numpy(), {"spacing": list(spacing_mm)}))


def _plans(roi_size: tuple[int, int], pixdim_mm: float) -> dict[str, object]:
    """What nnU-Net's planner would write; resampling as it chooses by default."""
    table = INTENSITY_TABLE["ct"]
    resample = "resample_data_or_seg_to_shape"
    return {
        "dataset_name": "Dataset000_benchmark",
        "plans_name": "benchmark",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "image_reader_writer": "SimpleITKIO",
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "mean": table["mean"],
                "std": table["std"],
                "percentile_00_5": table["clip"][0],
                "percentile_99_5": table["clip"][1],
            }
        },
        "configurations": {
            "2d": {
                "data_identifier": "benchmark_2d",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 1,
                "patch_size": list(roi_size),
                "median_image_size_in_voxels": list(roi_size),
                "spacing": [pixdim_mm, pixdim_mm],
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "resampling_fn_data": resample,
                "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
                "resampling_fn_seg": resample,
                "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
                "resampling_fn_probabilities": resample,
                "resampling_fn_probabilities_kwargs": {
                    "is_seg": False,
                    "order": 1,
                    "order_z": 0,
                    "force_separate_z": None,
                },
                "batch_dice": True,
                # not read: the network is given
                "architecture": {"network_class_name": "", "arch_kwargs": {}, "_kw_requires_import": []},
            }
        },
    }
