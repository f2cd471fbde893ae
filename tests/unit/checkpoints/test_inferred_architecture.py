"""The network that tensors are of, from their names and shapes."""

import json

import pytest
import torch
from foreign_names import as_timm, as_transformers

from meddino_components.checkpoints import infer_architecture
from meddino_components.errors import InputError
from meddino_components.networks import PRESETS, DinoVisionTransformer, vit_backbone

TOGGLES = [
    {},
    {"qkv_bias": False},
    {"mask_k_bias": False},
    {"proj_bias": False},
    {"ffn_bias": False},
    {"n_storage_tokens": 0},
    {"layerscale_init": None},
    {"norm_layer": "rmsnorm"},
    {"untie_cls_and_patch_norms": True},
    {"untie_global_and_local_cls_norm": True},
    {"patch_size": 8, "in_chans": 1},
    {"ffn_ratio": 3.777777778},
]


def shapes(state):
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize("toggle", TOGGLES, ids=str)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_with_every_switch(preset, toggle):
    with torch.device("meta"):
        network = vit_backbone(preset, **{"depth": 2, **toggle})
        found = infer_architecture(network.state_dict())
        again = DinoVisionTransformer(**found)
    assert shapes(again.state_dict()) == shapes(network.state_dict())
    assert found["num_heads"] == network.arguments["num_heads"]
    for name in ("patch_size", "in_chans", "qkv_bias", "proj_bias", "ffn_bias", "n_storage_tokens", "layerscale_init"):
        assert found[name] == network.arguments[name], name


@pytest.mark.parametrize("names", [as_transformers, as_timm])
@pytest.mark.parametrize(
    "toggle", [{}, {"qkv_bias": False}, {"n_storage_tokens": 0}, {"layerscale_init": None}], ids=str
)
def test_the_names_of_other_libraries(names, toggle):
    network = vit_backbone("vit_mini", **{"depth": 2, **toggle})
    with torch.no_grad():
        for block in network.blocks:
            if block.attn.qkv.bias is not None:
                block.attn.qkv.bias.normal_()
    found, own = infer_architecture(names(network.state_dict())), infer_architecture(network.state_dict())
    told = {name: value for name, value in own.items() if name not in ("pos_embed_rope_base", "pos_embed_rope_dtype")}
    assert found == told


def test_rotation():
    bf16 = infer_architecture(vit_backbone("vit_mini", depth=1, pos_embed_rope_dtype="bf16").state_dict())
    assert (bf16["pos_embed_rope_base"], bf16["pos_embed_rope_dtype"]) == (100.0, "bf16")
    fp32 = infer_architecture(vit_backbone("vit_mini", depth=1).state_dict())
    assert (fp32["pos_embed_rope_base"], fp32["pos_embed_rope_dtype"]) == (100.0, "fp32")
    other = vit_backbone("vit_mini", depth=1, pos_embed_rope_base=1000.0)
    assert infer_architecture(other.state_dict())["pos_embed_rope_base"] == pytest.approx(1000.0, rel=1e-3)
    ranged = {"pos_embed_rope_base": None, "pos_embed_rope_min_period": 0.5, "pos_embed_rope_max_period": 9.0}
    found = infer_architecture(vit_backbone("vit_mini", depth=1, **ranged).state_dict())
    assert {name: found[name] for name in ranged} == ranged


def test_golden_networks(golden, vit_variant):
    kwargs = golden(f"vit/{vit_variant}.kwargs.json")
    state = golden(f"vit/{vit_variant}.state_dict.safetensors")
    found = infer_architecture(state)
    again = DinoVisionTransformer(**found)
    assert shapes(again.state_dict()) == shapes(state)
    for name, value in found.items():
        stated = kwargs.get(name, value)
        # alignment leaves no trace; a mask without a bias masks nothing
        if name not in ("ffn_layer", "ffn_ratio", "mask_k_bias", "layerscale_init"):
            assert value == stated, name


def test_the_listings_of_the_released_networks(golden):
    listings = golden("keys/hub_state_dicts.json")
    for name, listed in listings.items():
        if "kwargs" not in listed:  # the satellite network has one norm more than another
            continue
        tensors = {key: torch.empty(shape, device="meta") for key, (shape, _) in listed["state_dict"].items()}
        found = infer_architecture(tensors)
        for argument in ("embed_dim", "depth", "num_heads", "qkv_bias", "n_storage_tokens", "patch_size"):
            assert found[argument] == listed["kwargs"][argument], (name, argument)
        assert found["mask_k_bias"] == (listed["kwargs"]["mask_k_bias"] and listed["kwargs"]["qkv_bias"])
    meddino = golden("keys/meddinov3_teacher_checkpoint.json")["stripped_backbone_state_dict"]
    tensors = {key: torch.empty(entry[0], device="meta") for key, entry in meddino.items()}
    found = infer_architecture(tensors)
    assert (found["embed_dim"], found["depth"], found["qkv_bias"], found["n_storage_tokens"]) == (768, 12, False, 4)


def test_what_cannot_be_a_backbone():
    state = vit_backbone("vit_mini", depth=1).state_dict()
    with pytest.raises(InputError, match=r"patch_embed\.proj\.weight is missing"):
        infer_architecture({key: t for key, t in state.items() if "patch_embed" not in key})
    with pytest.raises(InputError, match="no transformer block"):
        infer_architecture({key: t for key, t in state.items() if "blocks" not in key})
    with pytest.raises(InputError, match=r"has 5 values, which fits no head of a network 192 wide"):
        infer_architecture({**state, "rope_embed.periods": torch.ones(5)})
    narrow = DinoVisionTransformer(embed_dim=24, num_heads=2, depth=1).state_dict()
    del narrow["rope_embed.periods"]
    with pytest.raises(InputError, match="number of heads is unknown"):
        infer_architecture(narrow)
    assert json.dumps(infer_architecture(state))  # plain data
