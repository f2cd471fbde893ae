"""LoRA is merged where alpha is known; otherwise the message says what the file is, and how to merge it."""

import json

import pytest
import torch
from torch.testing import assert_close

from meddino_components.checkpoints import backbone_of, load_backbone_weights, load_network_weights
from meddino_components.errors import InputError

RANK, ALPHA = 2, 6
CONFIG = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA}


def as_peft(state, *, prefix="base_model.model.", adapter="default."):
    """The state dict of a network whose qkv layers peft has given adapters."""
    generator = torch.Generator().manual_seed(3)
    found = {}
    for key, tensor in state.items():
        if not key.endswith(("attn.qkv.weight", "attn.qkv.bias", "attn.qkv.bias_mask")):
            found[prefix + key] = tensor
            continue
        layer, _, name = key.rpartition(".")
        found[f"{prefix}{layer}.base_layer.{name}"] = tensor
        if name == "weight":
            found[f"{prefix}{layer}.lora_A.{adapter}weight"] = torch.randn(RANK, tensor.shape[1], generator=generator)
            found[f"{prefix}{layer}.lora_B.{adapter}weight"] = torch.randn(tensor.shape[0], RANK, generator=generator)
    return found


def write(folder, tensors, config=None, name="weights.pt"):
    if config is not None:
        (folder / "adapter_config.json").write_text(json.dumps(config))
    torch.save(tensors, folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("config", "scale"), [(CONFIG, ALPHA / RANK), ({**CONFIG, "use_rslora": True}, ALPHA / RANK**0.5)]
)
def test_merged_where_peft_says_alpha(tmp_path, tiny_vit, config, scale):
    state = tiny_vit(seed=1).state_dict()
    tensors = as_peft(state)
    path = write(tmp_path, tensors, config)
    network = backbone_of(weights=path)
    report = load_backbone_weights(network, path)
    assert f"LoRA adapters of 2 layers merged, scaled by {scale:g}" in str(report)
    for block in (0, 1):
        layer = f"base_model.model.blocks.{block}.attn.qkv"
        up, down = tensors[f"{layer}.lora_B.default.weight"], tensors[f"{layer}.lora_A.default.weight"]
        # by hand, an entry at a time
        expected = state[f"blocks.{block}.attn.qkv.weight"].clone()
        for rank in range(RANK):
            expected += scale * up[:, rank, None] * down[None, rank]
        assert_close(network.blocks[block].attn.qkv.weight.data, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(network.norm.weight, state["norm.weight"])


def test_merged_weights_compute_what_adapters_do(tmp_path):
    """Linear(x) + alpha / r * B A x, of a network that is not ours."""
    network = torch.nn.Sequential(torch.nn.Linear(5, 4))
    down, up = torch.randn(RANK, 5), torch.randn(4, RANK)
    x = torch.randn(3, 5)
    expected = network(x) + ALPHA / RANK * (x @ down.T) @ up.T
    tensors = {"0.base_layer.weight": network[0].weight.data, "0.base_layer.bias": network[0].bias.data}
    tensors |= {"0.lora_A.mine.weight": down, "0.lora_B.mine.weight": up}
    load_network_weights(network, write(tmp_path, tensors, CONFIG))
    assert_close(network(x), expected)


def test_a_layer_that_was_trained_as_a_whole_takes_the_place_of_the_original(tmp_path, tiny_vit):
    state = tiny_vit(seed=1).state_dict()
    tensors = as_peft(state)
    original = tensors.pop("base_model.model.norm.weight")
    tensors["base_model.model.norm.original_module.weight"] = original
    tensors["base_model.model.norm.modules_to_save.default.weight"] = original + 1
    network = tiny_vit(seed=2)
    load_backbone_weights(network, write(tmp_path, tensors, CONFIG))
    assert torch.equal(network.norm.weight, original + 1)


def adapter_alone(state):
    return {key: value for key, value in as_peft(state, adapter="").items() if "lora_" in key}


def cut(state):
    tensors = as_peft(state)
    tensors.pop("base_model.model.blocks.1.attn.qkv.lora_B.default.weight")
    return tensors


def two_adapters(state):
    return as_peft(state) | {key: value for key, value in as_peft(state, adapter="other.").items() if "lora_" in key}


HOW = r"merge it into the network \(peft: model\.merge_and_unload\(\)\)"
REFUSED = {
    "no alpha": (as_peft, None, rf"adapters of 2 layers \(rank 2\), but no adapter_config\.json next to it .*{HOW}"),
    "loralib": (
        lambda state: state | {f"blocks.0.attn.qkv.lora_{part}": torch.zeros(2, 32) for part in "AB"},
        None,
        "adapters of 1 layer",
    ),
    "another rank": (as_peft, {**CONFIG, "r": 4}, "no adapter_config.json next to it gives lora_alpha and that rank"),
    "the adapter alone": (adapter_alone, CONFIG, f"an? LoRA adapter of 2 layers without the network.*{HOW}"),
    "two adapters": (two_adapters, CONFIG, f"several LoRA adapters: choose one and {HOW}"),
    "a part is lost": (cut, CONFIG, "blocks.1.attn.qkv: its LoRA matrices do not match its weight"),
    "DoRA": (as_peft, {**CONFIG, "use_dora": True}, "sets use_dora, which cannot be merged here"),
    "another kind": (
        lambda state: as_peft(state) | {"x.lora_magnitude_vector.default.weight": torch.zeros(1)},
        CONFIG,
        "holds x.lora_magnitude_vector.default.weight, an unsupported kind of adapter",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_what_it_is_and_how_to_merge_it(tmp_path, tiny_vit, case):
    make, config, message = REFUSED[case]
    path = write(tmp_path, make(tiny_vit(seed=1).state_dict()), config)
    with pytest.raises(InputError, match=message) as error:
        load_backbone_weights(tiny_vit(seed=2), path)
    assert str(error.value).startswith(str(path))
