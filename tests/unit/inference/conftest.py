"""Weights with the record of the network that they belong to."""

from dataclasses import replace

import pytest
from published_settings import FINGERPRINT

from meddino_components.checkpoints import WeightsRecord, describe_network, write_weights
from meddino_components.networks import MedDinoSegmenter, vit_backbone


@pytest.fixture(scope="module")
def network():
    backbone = vit_backbone("vit_mini", qkv_bias=False, norm_layer="layernorm")
    return MedDinoSegmenter(backbone=backbone, num_classes=2, interaction_indices=[1, 7])


@pytest.fixture(scope="module")
def record(network):
    return WeightsRecord(
        architecture=describe_network(network),
        plan={
            "roi_size": [64, 96],
            "pixdim": [2.5, 2.0],
            "context_slices": 1,
            "fingerprint": FINGERPRINT,
            "background": None,
            "axcodes": "PLS",
            "intensity_version": 1,
        },
        labels={0: "background", 1: "kidney"},
        codes={"kidney": {"kind": ["64033007", "SCT", "Kidney"]}},
        channels=("image",),
        modality="ct",
        data={"fold": 3, "n_folds": 4},
        bundle="meddinov3_seg_amos",
    )


@pytest.fixture
def weights(network, record, tmp_path):
    def write(**changes):
        write_weights(network.state_dict(), tmp_path / "model.pt", record=replace(record, **changes))
        return tmp_path / "model.pt"

    return write
