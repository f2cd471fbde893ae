"""A backbone for weights: theirs, another that starts from random, or a name that has to agree with them."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.checkpoints import (
    WeightsRecord,
    backbone_of,
    describe_network,
    known_encoders,
    load_backbone_weights,
    write_weights,
)
from meddino_components.checkpoints import source as sources
from meddino_components.errors import InputError
from meddino_components.networks import DinoVisionTransformer, vit_backbone

IMAGES = torch.randn(1, 1, 32, 48, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "arguments",
    [{"qkv_bias": False}, {"ffn_layer": "swiglu64", "ffn_ratio": 3.0}, {"ffn_layer": "swiglu", "mask_k_bias": False}],
    ids=["no bias to mask", "aligned SwiGLU", "SwiGLU, unmasked bias"],
)
def test_a_network_built_from_its_file_is_described_as_before(tmp_path, arguments):
    """Even where other arguments give the same tensors: further training refuses weights of another description."""
    network = vit_backbone("vit_mini", depth=1, **arguments)
    described = describe_network(network)
    write_weights(network.state_dict(), tmp_path / "model.pt", record=WeightsRecord(architecture=described))
    assert describe_network(backbone_of(weights=tmp_path / "model.pt")) == described


def test_the_registry_is_asked_without_the_file(monkeypatch):
    def refuse(*_):
        raise AssertionError("asked the hub")

    monkeypatch.setattr(sources, "_from_hub", refuse)
    with torch.device("meta"):
        network = backbone_of(weights="meddinov3-b", drop_path_rate=0.2)
        by_address = backbone_of(weights="hf://facebook/dinov3-vits16-pretrain-lvd1689m")
    assert (network.embed_dim, network.norm.eps, network.rope_embed.dtype) == (768, 1e-6, torch.bfloat16)
    assert network.blocks[0].attn.qkv.bias is None
    assert network.blocks[0].drop_path_rate == 0.2
    assert (by_address.embed_dim, by_address.norm.eps) == (384, 1e-5)


def test_random_weights_need_a_name_and_have_settings_of_their_own():
    start = {"qkv_bias": False, "layerscale_init": 1.0, "depth": 1}
    network = backbone_of(weights="random", name="vit_mini", random_start=start)
    assert (network.embed_dim, network.depth) == (192, 1)
    assert torch.equal(network.blocks[0].ls1.gamma, torch.ones(192))
    with torch.device("meta"):
        assert backbone_of(weights="random").embed_dim == 768
        assert backbone_of(weights="random", name="flexict-2d-b").patch_size == 8
    with pytest.raises(InputError, match=r"unknown backbone 'vit_mni'; known: vit_tiny"):
        backbone_of(weights="random", name="vit_mni")
    with pytest.raises(InputError, match="random_start does not accept depht"):
        backbone_of(weights="random", name="vit_mini", random_start={"depht": 1})


def test_a_random_control_gets_the_layerscale_of_the_start(tmp_path):
    write_weights(vit_backbone("vit_mini", depth=1).state_dict(), tmp_path / "a.safetensors")
    network = backbone_of(weights=tmp_path / "a.safetensors", random_start={"layerscale_init": 1.0, "qkv_bias": False})
    assert network.blocks[0].ls1.gamma[0] == 1
    assert network.blocks[0].attn.qkv.bias is not None


def test_weights_that_may_be_missing(tmp_path):
    path = tmp_path / "model.pt"
    made = {"weights": path, "name": "vit_mini", "may_be_missing": True}
    assert backbone_of(**made).depth == 8
    torch.save(vit_backbone("vit_mini").state_dict(), path)
    assert backbone_of(**{**made, "name": None}).embed_dim == 192
    with pytest.raises(InputError, match="no such file"):
        backbone_of(weights=tmp_path / "lost.pt")
    with pytest.raises(InputError, match="no weights given"):
        backbone_of(weights=None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vit_large", r"is 192 wide, 8 blocks, 3 heads, mlp, but backbone is vit_large \(1024 wide, 24 blocks"),
        ("vit_tiny", r"is 192 wide, 8 blocks, 3 heads, mlp, but backbone is vit_tiny \(192 wide, 12 blocks"),
        ("flexict-2d-b", r"but backbone is flexict-2d-b \(864 wide, 16 blocks, 12 heads, mlp, patch 8\)"),
    ],
)
def test_a_name_of_another_network_is_refused_with_both(tmp_path, name, said):
    torch.save(vit_backbone("vit_mini").state_dict(), tmp_path / "mini.pt")
    assert backbone_of(weights=tmp_path / "mini.pt", name="vit_mini").depth == 8
    with pytest.raises(InputError, match=said) as error:
        backbone_of(weights=tmp_path / "mini.pt", name=name)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"meddinov3-b is 768 wide.*, but backbone is vit_large"):
        backbone_of(weights="meddinov3-b", name="vit_large")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"embed_dim": 10**9}, "its record says embed_dim 1000000000, its tensors 192"),
        ({"_target_": "os.system", "command": "true"}, "states an architecture that is not a backbone's"),
        ({"norm_layer": "batchnorm"}, "cannot build a backbone with these settings: norm_layer must be one of"),
    ],
)
def test_a_record_is_data_from_outside(tmp_path, stated, said):
    path = tmp_path / "a.safetensors"
    network = vit_backbone("vit_mini", depth=1)
    record = WeightsRecord(architecture={**describe_network(network), **stated})
    write_weights(network.state_dict(), path, record=record)
    with pytest.raises(InputError, match=said):
        backbone_of(weights=path)


def test_channels_are_adapted(tmp_path):
    torch.manual_seed(0)
    network = DinoVisionTransformer(embed_dim=32, num_heads=2, depth=1, in_chans=1)
    torch.save(network.state_dict(), tmp_path / "grey.pt")
    wide = backbone_of(weights=tmp_path / "grey.pt", in_chans=4)
    load_backbone_weights(wide, tmp_path / "grey.pt")
    assert_close(wide.patch_embed(IMAGES.expand(-1, 4, -1, -1)), network.patch_embed(IMAGES), rtol=1e-5, atol=1e-5)
    assert known_encoders()["flexict-2d-b"].architecture["in_chans"] == 1
