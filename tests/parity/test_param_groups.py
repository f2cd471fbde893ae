"""Parameter groups against the official ones, parameter by parameter."""

import pytest
from torch import nn

from meddino_components.networks import DINOHead, DinoVisionTransformer
from meddino_components.self_distillation.param_groups import parameter_groups


def multipliers(module, arguments):
    """Name to [lr_multiplier, wd_multiplier, is_last_layer]."""
    names = {parameter: name for name, parameter in module.named_parameters()}
    return {
        names[parameter]: [group["lr_multiplier"], group["wd_multiplier"], group["is_last_layer"]]
        for group in parameter_groups(module, **arguments)
        for parameter in group["params"]
    }


def test_multipliers(golden_json):
    compared = 0
    for variant, recorded in golden_json("param_groups/param_groups.json").items():
        try:
            kwargs = golden_json(f"vit/{variant}.kwargs.json")
        except pytest.skip.Exception:
            continue  # the committed part has the groups of more backbones than it has
        del kwargs["img_size"]  # rotary positions need none
        backbone = DinoVisionTransformer(**kwargs)
        head = DINOHead(in_dim=kwargs["embed_dim"], out_dim=8, hidden_dim=8, bottleneck_dim=8)
        whole = nn.ModuleDict({"backbone": backbone, "dino_head": head})
        arguments = recorded.pop("args")
        for name, expected in recorded.items():
            module = whole if "_and_head" in name else backbone if name.endswith("backbone") else head
            assert multipliers(module, arguments) == expected, f"{variant} {name}"
            compared += 1
    assert compared
