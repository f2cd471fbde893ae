"""What two networks that differ in one argument have in common: nothing else tells a run from an architecture."""

import inspect

import pytest
import torch

from meddino_components.networks import ARCHITECTURE_ARGUMENTS, RUN_ARGUMENTS, DinoVisionTransformer
from meddino_components.networks.architecture import ARCHITECTURE_DEFAULTS

# a tiny network in which each argument matters
BASE = {
    "patch_size": 8, "in_chans": 1, "embed_dim": 32, "depth": 2, "num_heads": 2, "ffn_ratio": 2.0,
    "n_storage_tokens": 1, "layerscale_init": 1.0,
}  # fmt: skip
OF_A_RUN = {
    "drop_path_rate": 0.5,
    "drop_path_rounding": "down",
    "activation_checkpointing": True,
    "pos_embed_rope_shift_coords": 0.5,
    "pos_embed_rope_jitter_coords": 2.0,
    "pos_embed_rope_rescale_coords": 2.0,
}
OF_THE_WEIGHTS = {
    "patch_size": 4,
    "in_chans": 3,
    "embed_dim": 64,
    "depth": 3,
    "num_heads": 4,
    "ffn_ratio": 3.0,
    "ffn_layer": "swiglu",
    "qkv_bias": False,
    "proj_bias": False,
    "ffn_bias": False,
    "mask_k_bias": True,
    "layerscale_init": None,
    "norm_layer": "rmsnorm",
    "n_storage_tokens": 2,
    "untie_cls_and_patch_norms": True,
    "untie_global_and_local_cls_norm": True,
    "pos_embed_rope_base": 50.0,
    "pos_embed_rope_normalize_coords": "max",
    "pos_embed_rope_dtype": "bf16",
}
IMAGES = torch.randn(1, 1, 32, 48, generator=torch.Generator().manual_seed(1))


def built(**changes):
    """A network all of whose parameters are drawn, as those of a trained one are."""
    network = DinoVisionTransformer(**{**BASE, **changes}).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return network


def shapes(network):
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def tokens(network):
    with torch.no_grad():
        return network.forward_features(IMAGES)["x_norm_patchtokens"]


def test_each_argument_is_of_one_kind():
    arguments = inspect.signature(DinoVisionTransformer).parameters
    assert sorted([*ARCHITECTURE_ARGUMENTS, *RUN_ARGUMENTS]) == sorted(arguments)
    assert {name: arguments[name].default for name in ARCHITECTURE_ARGUMENTS} == ARCHITECTURE_DEFAULTS
    assert set(OF_A_RUN) == set(RUN_ARGUMENTS)
    # a range of periods takes the place of their base
    ranges = {"pos_embed_rope_min_period", "pos_embed_rope_max_period"}
    assert set(OF_THE_WEIGHTS) == set(ARCHITECTURE_ARGUMENTS) - ranges


@pytest.mark.parametrize("name", OF_A_RUN)
def test_an_argument_of_a_run_leaves_tensors_and_features_as_they_are(name):
    plain, changed = built(), built(**{name: OF_A_RUN[name]})
    assert shapes(changed) == shapes(plain)
    assert torch.equal(tokens(changed), tokens(plain))


@pytest.mark.parametrize("name", OF_THE_WEIGHTS)
def test_an_argument_of_the_weights_changes_tensors_or_features(name):
    plain, changed = built(), built(**{name: OF_THE_WEIGHTS[name]})
    assert shapes(changed) != shapes(plain) or not torch.equal(tokens(changed), tokens(plain))
