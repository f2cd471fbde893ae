"""Weights to package, and packaging without MONAI's verification, which takes seconds."""

import pytest

from meddino_components.checkpoints import WeightsRecord, describe_network, write_weights
from meddino_components.networks import MedDinoSegmenter, vit_backbone


@pytest.fixture
def without_monai(monkeypatch):
    monkeypatch.setattr("meddino_components.bundle.release_checks._run_monai", lambda root, *words: None)


@pytest.fixture
def model(tmp_path):
    """Of vit_mini, with labels of its own, for a bundle of vit_base."""
    backbone = vit_backbone("vit_mini", qkv_bias=False, norm_layer="layernorm")
    network = MedDinoSegmenter(backbone=backbone, num_classes=2, interaction_indices=[1, 7])
    plan = {"roi_size": [64, 64], "pixdim": [2.5, 2.0], "context_slices": 1, "fingerprint": None, "background": None}
    record = WeightsRecord(
        architecture=describe_network(network),
        plan=plan,
        labels={0: "background", 1: "kidney"},
        channels=("image",),
        modality="ct",
        bundle="meddinov3_seg_amos",
    )
    write_weights(network.state_dict(), tmp_path / "trained.pt", record=record)
    return tmp_path / "trained.pt"
