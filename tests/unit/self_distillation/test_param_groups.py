"""Parameter groups by name and depth."""

import pytest
import torch
from torch import nn

from meddino_components.networks import DINOHead, DinoVisionTransformer
from meddino_components.self_distillation.param_groups import parameter_groups


@pytest.fixture
def parts():
    backbone = DinoVisionTransformer(
        embed_dim=16, depth=2, num_heads=1, n_storage_tokens=1, layerscale_init=1e-5, untie_cls_and_patch_norms=True
    )
    return backbone, DINOHead(in_dim=16, out_dim=8, hidden_dim=8, bottleneck_dim=4)


def by_name(module, **settings):
    names = {parameter: name for name, parameter in module.named_parameters()}
    return {
        names[parameter]: (group["lr_multiplier"], group["wd_multiplier"], group["is_last_layer"])
        for group in parameter_groups(module, **settings)
        for parameter in group["params"]
    }


def test_multipliers_of_a_backbone(parts):
    found = by_name(parts[0], lr_decay_rate=0.5, patch_embed_lr_mult=0.2)
    for name, expected in {
        "cls_token": (0.125, 1, False),
        "storage_tokens": (0.125, 1, False),
        "mask_token": (0.125, 1, False),
        "patch_embed.proj.weight": (0.025, 1, False),
        "patch_embed.proj.bias": (0.025, 0, False),
        "blocks.0.attn.qkv.weight": (0.25, 1, False),
        "blocks.1.attn.qkv.weight": (0.5, 1, False),
        "blocks.1.mlp.fc1.bias": (0.5, 0, False),
        "blocks.1.norm1.weight": (0.5, 0, False),
        "blocks.1.ls2.gamma": (0.5, 0, False),
        "norm.weight": (1, 0, False),
        "cls_norm.bias": (1, 0, False),
    }.items():
        assert found[name] == pytest.approx(expected), name


def test_the_heads_multiplier_goes_by_the_name_it_has_in_the_whole(parts):
    backbone, head = parts
    alone = by_name(head, dino_head_wd_multiplier=0.25)
    whole = by_name(nn.ModuleDict({"backbone": backbone, "dino_head": head}), dino_head_wd_multiplier=0.25)
    assert alone["mlp.0.weight"] == (1, 1, False)
    assert whole["dino_head.mlp.0.weight"] == (1, 0.25, False)
    assert whole["dino_head.mlp.0.bias"] == (1, 0, False)
    assert alone["last_layer.weight"] == (1, 1, True)
    assert whole["dino_head.last_layer.weight"] == (1, 0.25, True)
    assert whole["backbone.blocks.0.attn.qkv.weight"] == (1, 1, False)


def test_every_parameter_with_gradient_is_in_one_group_of_an_optimiser(parts):
    backbone, _ = parts
    backbone.cls_token.requires_grad_(False)
    groups = parameter_groups(backbone, lr_decay_rate=0.5)
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in backbone.parameters() if p.requires_grad}
    assert len(held) == len(list(backbone.parameters())) - 1
    keys = [(g["lr_multiplier"], g["wd_multiplier"], g["is_last_layer"]) for g in groups]
    assert len(set(keys)) == len(keys)
