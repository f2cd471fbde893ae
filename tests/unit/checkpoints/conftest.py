"""Tiny networks with random weights, and the reference data of the official code."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter

GOLDEN = Path(os.environ.get("MEDDINO_GOLDEN") or Path(__file__).parents[2] / "parity" / "golden")
TINY = {
    "embed_dim": 32,
    "depth": 2,
    "num_heads": 2,
    "layerscale_init": 1e-5,
    "norm_layer": "layernormbf16",
    "n_storage_tokens": 4,
    "mask_k_bias": True,
}


def randomise(network, seed):
    """Give every parameter a value that a wrong mapping would not reproduce."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.fixture
def tiny_vit():
    """Factory of backbones 32 wide with two blocks."""

    def build(*, seed=0, **overrides):
        return randomise(DinoVisionTransformer(**{**TINY, **overrides}).eval(), seed)

    return build


@pytest.fixture
def tiny_segmenter(tiny_vit):
    """Factory of segmenters on `tiny_vit`."""

    def build(*, seed=0, num_classes=3, **overrides):
        network = MedDinoSegmenter(
            backbone=tiny_vit(**overrides), num_classes=num_classes, interaction_indices=[0, 1]
        ).eval()
        return randomise(network, seed)

    return build


def pytest_generate_tests(metafunc):
    """Parametrise `vit_variant` by the reference files that are there."""
    if "vit_variant" in metafunc.fixturenames:
        paths = sorted((GOLDEN / "vit").glob("*.state_dict.safetensors"))
        metafunc.parametrize("vit_variant", [path.name.removesuffix(".state_dict.safetensors") for path in paths])


@pytest.fixture
def golden_folder():
    return GOLDEN


@pytest.fixture
def golden():
    """Load a reference file, or skip where it is not among the committed ones."""

    def load(name):
        path = GOLDEN / name
        if not path.is_file():
            pytest.skip(f"{name} is not in {GOLDEN}; set MEDDINO_GOLDEN to the whole set")
        return json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else load_file(path)

    return load
