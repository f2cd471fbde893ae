"""Networks as plain data and back; what is not built."""

import json

import pytest
import torch
from monai.networks.nets import BasicUNet

from meddino_components.checkpoints import build_network, describe_monai_network, describe_network, preset_of
from meddino_components.errors import InputError
from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter, vit_backbone


def segmenter(**overrides):
    settings = {"embed_dim": 32, "depth": 3, "num_heads": 2, "n_storage_tokens": 2, "qkv_bias": False, **overrides}
    backbone = DinoVisionTransformer(patch_size=8, in_chans=4, ffn_layer="swiglu", **settings)
    return MedDinoSegmenter(backbone=backbone, num_classes=5, in_channels=4, interaction_indices=[0, 2])


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_same_network_is_built_again(precision):
    of_run = {"drop_path_rate": 0.3, "pos_embed_rope_rescale_coords": 2.0}
    network = segmenter(norm_layer="layernorm", pos_embed_rope_dtype=precision, **of_run)
    described = json.loads(json.dumps(describe_network(network)))
    assert described["backbone"]["norm_eps"] == 1e-6
    assert not set(of_run) & set(described["backbone"])
    # decides what comes out
    assert described["backbone"]["pos_embed_rope_dtype"] == precision
    again = build_network(described, source="model.pt", dropout=0.5)
    again.load_state_dict(network.state_dict())
    image = torch.randn(1, 4, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(image), network.eval()(image), rtol=0, atol=0)
    # what belongs to the run
    assert again.dropout == 0.5
    assert again.backbone.rope_embed.rescale_coords is None


def test_sizes_have_their_names():
    assert preset_of(describe_network(vit_backbone("vit_mini"))) == "vit_mini"
    assert preset_of(describe_network(vit_backbone("vit_small_plus"))) == "vit_small_plus"
    assert preset_of(describe_network(segmenter())) == "32 wide, 3 blocks"


def test_one_of_monais_networks():
    definition = {"_target_": "BasicUNet", "_requires_": "@check", "spatial_dims": 2, "features": [4, 4, 4, 4, 4, 4]}
    described = describe_monai_network(definition)
    assert described["_target_"] == "monai.networks.nets.BasicUNet"
    assert isinstance(build_network(described, source="model.pt"), BasicUNet)
    assert describe_monai_network({"_target_": "package.Other"}) is None
    with pytest.raises(TypeError, match="BasicUNet does not record the arguments it was built from"):
        describe_network(BasicUNet(spatial_dims=2, features=(4, 4, 4, 4, 4, 4)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"_target_": "os.system"}, "its record names the network 'os.system', expected one of MedDinoSegmenter"),
        ({"_target_": "monai.networks.nets.HuggingFace"}, "its record names the network"),
        ({"_target_": "monai.networks.nets.TorchVisionFCModel"}, "its record names the network"),
        ({"num_classes": 10**9}, "1000000000 is larger than any argument of a network"),
        ({"colour": "red"}, "cannot build the MedDinoSegmenter that its record describes"),
        ({"backbone": {"_target_": "os.system"}}, "its backbone is of another class"),
        ({"backbone": 3}, "cannot build the MedDinoSegmenter"),
    ],
)
def test_nothing_else_is_built(changes, said):
    with pytest.raises(InputError, match=f"model.pt: .*{said}" if not said.startswith("its") else said):
        build_network({**describe_network(segmenter()), **changes}, source="model.pt")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"norm_eps": 1e-5}, "the norm's eps is 1e-05, but this version builds 1e-06"),
        ({"drop_path_rate": 0.1}, "belongs to a run"),
    ],
)
def test_a_backbone_that_would_compute_otherwise_is_refused(changes, said):
    described = describe_network(segmenter())
    with pytest.raises(InputError, match=said):
        build_network({**described, "backbone": {**described["backbone"], **changes}}, source="model.pt")
