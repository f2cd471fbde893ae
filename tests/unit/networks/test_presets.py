"""Sizes of the published backbones."""

import pytest
import torch

from meddino_components.networks import (
    ARCHITECTURE_ARGUMENTS,
    PRESETS,
    RUN_ARGUMENTS,
    complete_architecture,
    vit_backbone,
)

# parameters of the public DINOv3 checkpoints
PUBLISHED = {
    "vit_small": 21_601_152,
    "vit_small_plus": 28_697_472,
    "vit_base": 85_669_632,
    "vit_large": 303_154_176,
    "vit_huge_plus": 840_633_600,
    "vit_7b": 6_716_043_264,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_those_published(name):
    with torch.device("meta"):
        network = vit_backbone(name)
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED[name]


def test_no_published_size_is_left_out():
    assert set(PRESETS) - set(PUBLISHED) == {"vit_tiny", "vit_mini", "vit_large_plus"}


def test_an_override_replaces_a_preset_value():
    with torch.device("meta"):
        network = vit_backbone("vit_base", qkv_bias=False, norm_layer="layernorm")
    assert network.blocks[0].attn.qkv.bias is None
    assert network.norm.eps == 1e-6


def test_unknown_names_are_errors():
    with pytest.raises(ValueError, match="unknown backbone 'vit_bass'; known: vit_tiny, vit_mini, vit_small"):
        vit_backbone("vit_bass")
    with pytest.raises(TypeError, match="drop_path"):
        vit_backbone("vit_tiny", drop_path=0.1)


def test_an_architecture_has_every_argument_of_the_weights_and_none_of_the_run():
    architecture = complete_architecture("vit_small_plus", qkv_bias=False)
    assert set(architecture) == set(ARCHITECTURE_ARGUMENTS)
    assert not set(architecture) & set(RUN_ARGUMENTS)
    with torch.device("meta"):
        network = vit_backbone("vit_small_plus", qkv_bias=False)
    assert architecture == {name: network.arguments[name] for name in ARCHITECTURE_ARGUMENTS}
    with pytest.raises(TypeError, match="drop_path_rate"):
        complete_architecture("vit_small", drop_path_rate=0.1)
