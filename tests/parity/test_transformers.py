"""Weights of Hugging Face transformers' DINOv3 models, converted, against transformers itself."""

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from meddino_components.checkpoints import load_backbone_weights
from meddino_components.checkpoints.formats import find_network
from meddino_components.embeddings.torchvision_pairing import import_torchvision
from meddino_components.networks import PRESETS, DinoVisionTransformer, vit_backbone

import_torchvision()  # which transformers imports where it is installed
transformers = pytest.importorskip("transformers", reason="the reference of this test")

WIDTH, DEPTH, HEADS, HIDDEN = 64, 3, 4, 128
# transformers' setting -> ours
VARIANTS = {
    "mlp": ({}, {"ffn_ratio": HIDDEN / WIDTH}),
    "gated_mlp": (
        {"use_gated_mlp": True, "hidden_act": "silu"},
        {"ffn_layer": "swiglu", "ffn_ratio": 1.5 * HIDDEN / WIDTH},
    ),
    "no_registers": ({"num_register_tokens": 0}, {"ffn_ratio": HIDDEN / WIDTH, "n_storage_tokens": 0}),
    "key_bias": ({"key_bias": True}, {"ffn_ratio": HIDDEN / WIDTH, "mask_k_bias": False}),
    "no_bias": ({"query_bias": False, "value_bias": False}, {"ffn_ratio": HIDDEN / WIDTH, "qkv_bias": False}),
    "unmasked_bias": ({}, {"ffn_ratio": HIDDEN / WIDTH, "mask_k_bias": False}),
}
SIZES = [(32, 32), (48, 80), (160, 64)]


def reference(**settings):
    """A transformers model with random weights, none of which is zero or one."""
    config = transformers.DINOv3ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN,
        **{"num_register_tokens": 4, **settings},
    )
    model = transformers.DINOv3ViTModel(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def converted(folder, **arguments):
    """Our network with the weights that `save_pretrained` wrote to ``folder``."""
    common = {"layerscale_init": 1e-5, "norm_layer": "layernormbf16", "n_storage_tokens": 4, "mask_k_bias": True}
    network = DinoVisionTransformer(embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, **{**common, **arguments}).eval()
    return network, load_backbone_weights(network, folder)


def tokens(features):
    names = ("x_norm_clstoken", "x_storage_tokens", "x_norm_patchtokens")
    parts = [features[name] for name in names]
    parts[0] = parts[0][:, None]
    return torch.cat(parts, dim=1)


def with_gradient(function, images, direction):
    """The output, and the gradient of its product with ``direction`` with respect to the images."""
    images = images.clone().requires_grad_()
    output = function(images)
    (output * direction).sum().backward()
    return output.detach(), images.grad


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", SIZES)
def test_same_outputs_and_gradients(tmp_path, variant, size):
    settings, arguments = VARIANTS[variant]
    model = reference(**settings)
    model.save_pretrained(tmp_path)
    network, report = converted(tmp_path, **arguments)
    assert report.format == "transformers names"
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *size, generator=generator)
    n_tokens = 1 + network.n_storage_tokens + size[0] * size[1] // 256
    direction = torch.randn(2, n_tokens, WIDTH, generator=generator)
    ours, our_gradient = with_gradient(lambda x: tokens(network.forward_features(x)), images, direction)
    theirs, their_gradient = with_gradient(lambda x: model(x).last_hidden_state, images, direction)
    assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert_close(our_gradient, their_gradient, rtol=1e-5, atol=1e-5)


def test_masked_patches(tmp_path):
    model = reference()
    model.save_pretrained(tmp_path)
    network, _ = converted(tmp_path, **VARIANTS["mlp"][1])
    images = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    masks = torch.rand(2, 12, generator=torch.Generator().manual_seed(2)) < 0.5
    with torch.no_grad():
        ours = tokens(network.forward_features(images, masks))
        theirs = model(images, bool_masked_pos=masks).last_hidden_state
    assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_names_in_memory_and_in_files(tmp_path):
    """In memory the blocks are ``model.layer.N``, in files ``layer.N``; both are read."""
    model = reference()
    model.save_pretrained(tmp_path)
    saved = find_network(load_file(tmp_path / "model.safetensors"), source="file").tensors
    in_memory = find_network(model.state_dict(), source="memory").tensors
    assert saved.keys() == in_memory.keys()
    assert all(torch.equal(saved[key], in_memory[key]) for key in saved)


@pytest.mark.parametrize("name", PRESETS)
def test_every_tensor_of_every_preset(name):
    """Names and shapes; what transformers cannot hold (rotary periods, masks, the local norm) is ours alone."""
    with torch.device("meta"):
        wanted = {key: tensor.shape for key, tensor in vit_backbone(name).state_dict().items()}
        preset = PRESETS[name]
        gated = "blocks.0.mlp.w1.weight" in wanted
        bias = preset.get("qkv_bias", True)
        config = transformers.DINOv3ViTConfig(
            hidden_size=preset["embed_dim"],
            num_hidden_layers=preset["depth"],
            num_attention_heads=preset["num_heads"],
            intermediate_size=wanted["blocks.0.mlp.w1.weight" if gated else "blocks.0.mlp.fc1.weight"][0],
            use_gated_mlp=gated,
            num_register_tokens=4,
            query_bias=bias,
            value_bias=bias,
        )
        found = find_network(transformers.DINOv3ViTModel(config).state_dict(), source="meta").tensors
    ours_alone = ("rope_embed.periods", "bias_mask", "local_cls_norm.weight", "local_cls_norm.bias")
    shared = {key: shape for key, shape in wanted.items() if not key.endswith(ours_alone)}
    assert {key: tensor.shape for key, tensor in found.items()} == shared
