"""The network that weights are of: what their file says, what the registry says, and what is assumed."""

import json

import pytest
import torch
from safetensors.torch import save_file

from meddino_components.checkpoints import (
    EncoderFacts,
    WeightsRecord,
    backbone_of,
    describe_network,
    encoder_facts,
    known_encoders,
    load_backbone_weights,
    load_segmenter_weights,
    write_weights,
)
from meddino_components.checkpoints import source as sources
from meddino_components.errors import InputError
from meddino_components.networks import ARCHITECTURE_ARGUMENTS, vit_backbone

UNUSUAL = {
    "patch_size": 8,
    "in_chans": 1,
    "qkv_bias": False,
    "n_storage_tokens": 2,
    "norm_layer": "layernorm",
    "pos_embed_rope_dtype": "bf16",
    "pos_embed_rope_normalize_coords": "max",
    "ffn_layer": "swiglu64",
    "ffn_ratio": 3,
    "untie_cls_and_patch_norms": True,
}


IMAGES = torch.randn(1, 1, 32, 48, generator=torch.Generator().manual_seed(1))


def tokens(network, images=IMAGES):
    with torch.no_grad():
        return network.eval().forward_features(images)["x_norm_patchtokens"]


def state_without_small_variance(network):
    """Weights by which the two eps of LayerNorm give other features."""
    state = network.state_dict()
    state["patch_embed.proj.weight"] *= 0.01
    return state


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_file_that_states_its_architecture_gives_the_features_again(tmp_path, suffix):
    torch.manual_seed(0)
    network = vit_backbone("vit_mini", **{"depth": 2, **UNUSUAL})
    network.load_state_dict(state_without_small_variance(network))
    path = tmp_path / f"a.{suffix}"
    write_weights(network.state_dict(), path, record=WeightsRecord(architecture=describe_network(network)))
    again = backbone_of(weights=path)
    report = load_backbone_weights(again, path)
    assert torch.equal(tokens(again), tokens(network))
    assert "assumed" not in str(report)
    facts = encoder_facts(path)
    assert facts.assumed == ()
    for name, value in UNUSUAL.items():
        assert name.startswith("ffn_") or facts.architecture[name] == value, name


def test_a_record_of_a_segmenter_in_a_torch_file(tmp_path, tiny_segmenter):
    """As an extra member of the file, which stays a bare state dict."""
    network = tiny_segmenter(norm_layer="layernormbf16", pos_embed_rope_dtype="bf16")
    torch.save(network.state_dict(), tmp_path / "bare.pt")
    assert encoder_facts(tmp_path / "bare.pt").architecture["norm_layer"] == "layernorm"  # the published recipe
    record = WeightsRecord(architecture=describe_network(network))
    write_weights(network.state_dict(), tmp_path / "model.pt", record=record)
    facts = encoder_facts(tmp_path / "model.pt")
    assert (facts.architecture["norm_layer"], facts.assumed) == ("layernormbf16", ())


def test_what_nothing_says_is_assumed_and_said(tmp_path, tiny_segmenter):
    network = vit_backbone("vit_mini", depth=1)
    torch.save(network.state_dict(), tmp_path / "bare.pt")
    facts = encoder_facts(tmp_path / "bare.pt")
    assert facts.assumed == ("norm_layer", "pos_embed_rope_normalize_coords")
    assert "assumed, as neither the file nor the registry states it: norm_layer layernormbf16" in str(
        load_backbone_weights(backbone_of(weights=tmp_path / "bare.pt"), tmp_path / "bare.pt")
    )
    # a network with a decoder is one of fine-tuning, whose recipe has the other eps
    segmenter = tiny_segmenter(norm_layer="layernorm")
    torch.save(segmenter.state_dict(), tmp_path / "segmenter.pt")
    assert encoder_facts(tmp_path / "segmenter.pt").architecture["norm_layer"] == "layernorm"
    assert "norm_layer layernorm" in str(load_segmenter_weights(segmenter, tmp_path / "segmenter.pt"))


def test_what_known_encoders_of_the_same_shapes_have_in_common(tmp_path):
    """ViT-B without qkv bias is MedDINOv3 alone; those with one agree on eps and rotation."""
    with torch.device("meta"):
        meddino, dino = vit_backbone("vit_base", qkv_bias=False), vit_backbone("vit_base")
    for network, norm in ((meddino, "layernorm"), (dino, "layernormbf16")):
        state = {key: torch.zeros((), dtype=t.dtype).expand(t.shape) for key, t in network.state_dict().items()}
        state["rope_embed.periods"] = vit_backbone("vit_mini", depth=1).rope_embed.periods
        torch.save(state, tmp_path / "model.pth")
        facts = encoder_facts(tmp_path / "model.pth")
        assert facts.architecture["norm_layer"] == norm
        assert "norm_layer" in facts.assumed
        assert facts.architecture["num_heads"] == 12


def test_no_record_is_no_error(tmp_path):
    path = tmp_path / "a.safetensors"
    for metadata in ({}, {"architecture": json.dumps("vit")}):
        save_file(vit_backbone("vit_mini", depth=1).state_dict(), path, metadata)
        assert encoder_facts(path).architecture["depth"] == 1
        path.unlink()
    for text, said in (("{", "its record is not JSON"), ("{}", "its record has no format version")):
        save_file(vit_backbone("vit_mini", depth=1).state_dict(), path, {"meddino": text})
        with pytest.raises(InputError, match=said):
            encoder_facts(path)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"embed_dim": 10**9}, "its record says embed_dim 1000000000, its tensors 192"),
        ({"qkv_bias": False}, "its record says qkv_bias False, its tensors True"),
        ({"layerscale_init": None}, "its record says layerscale_init None"),
    ],
)
def test_a_record_of_other_weights_is_refused(tmp_path, stated, said):
    path = tmp_path / "a.safetensors"
    network = vit_backbone("vit_mini", depth=1)
    record = WeightsRecord(architecture={**describe_network(network), **stated})
    write_weights(network.state_dict(), path, record=record)
    with pytest.raises(InputError, match=said):
        encoder_facts(path)


def test_what_the_registry_knows_is_looked_at_nowhere_else(monkeypatch):
    monkeypatch.setattr(sources, "_from_hub", lambda *_: pytest.fail("asked the hub"))
    entry = known_encoders()["dinov3-s"]
    for weights in ("dinov3-s", entry.source):
        assert encoder_facts(weights) == EncoderFacts(architecture=entry.architecture, known=entry)
    assert set(entry.architecture) == set(ARCHITECTURE_ARGUMENTS)


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "a.safetensors"
    for depth in (1, 2):
        write_weights(vit_backbone("vit_mini", depth=depth).state_dict(), path)
        assert encoder_facts(path).architecture["depth"] == depth


def test_weights_without_a_backbone_are_named(tmp_path):
    state = vit_backbone("vit_mini", depth=1).state_dict()
    torch.save({name: tensor for name, tensor in state.items() if "patch_embed" not in name}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt: .*patch_embed\.proj\.weight is missing"):
        encoder_facts(tmp_path / "a.pt")
