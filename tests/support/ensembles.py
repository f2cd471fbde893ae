"""Weights of tiny networks that segment together, and a volume for them."""

import torch
from monai.data import MetaTensor
from published_settings import FINGERPRINT

from meddino_components.checkpoints import WeightsRecord, describe_network, write_weights
from meddino_components.inference import model_settings, network_of_model
from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter

LABELS = {0: "background", 1: "kidney", 2: "tumour"}
PLAN = {"roi_size": [32, 32], "pixdim": [2.0, 2.0], "context_slices": 1, "fingerprint": FINGERPRINT, "background": None}
PUBLISHED = {"channel_names": ["image"], "label_names": list(LABELS.values())}


def write_member(
    path, *, seed=0, labels=LABELS, channels=("image",), modality="ct", regions=None, data=None, steps=None, **plan
):
    """Write random weights with a record, and return their path."""
    # the last stage of the decoder has a sixteenth of the width, and its norm needs several channels
    backbone = DinoVisionTransformer(embed_dim=64, depth=1, num_heads=2, layerscale_init=1.0)
    network = MedDinoSegmenter(backbone=backbone, num_classes=3, in_channels=len(channels), interaction_indices=[0])
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4, generator=generator)
    network.decoder.head.bias.data.zero_()
    record = WeightsRecord(
        architecture=describe_network(network),
        plan={**PLAN, "axcodes": "PLS", "intensity_version": 1, **plan},
        labels=labels,
        regions=regions,
        channels=channels,
        modality=modality,
        data=data or {},
        postprocessing=steps,
        bundle="meddinov3_seg_amos",
    )
    write_weights(network.state_dict(), path, record=record)
    return path


def settings_of(*paths):
    """The settings of one network, or of several."""
    return model_settings(model_path=list(paths), typed={}, published=PUBLISHED)


def ensemble_of(*paths):
    """The network, or the ensemble."""
    return network_of_model(settings=settings_of(*paths))


def volume(shape=(48, 40, 5), spacing_mm=2.0):
    """Noise on a known grid, [1, 1, H, W, D]."""
    noise = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(5))
    return MetaTensor(noise, affine=torch.diag(torch.tensor([spacing_mm, spacing_mm, 5.0, 1.0], dtype=torch.float64)))
