"""Where a network lies in a file, and the renaming tables, against listings of the public models' tensors."""

import pytest
import torch

from meddino_components.checkpoints.formats import find_network, segmenter_siblings, timm_to_dinov3
from meddino_components.errors import InputError
from meddino_components.networks import vit_backbone

HUB_PRESETS = {
    "dinov3_vits16": ("vit_small", {}),
    "dinov3_vits16plus": ("vit_small_plus", {}),
    "dinov3_vitb16": ("vit_base", {}),
    "dinov3_vitl16": ("vit_large", {}),
    "dinov3_vitl16plus": ("vit_large_plus", {}),
    "dinov3_vith16plus": ("vit_huge_plus", {}),
    "dinov3_vit7b16": ("vit_7b", {}),
    "dinov3_vitl16(SAT493M)": ("vit_large", {"untie_global_and_local_cls_norm": True}),
}
TIMM_PRESETS = {
    "timm:vit_base_patch16_dinov3": ("vit_base", {"qkv_bias": False}),
    "timm:vit_base_patch16_dinov3_qkvb": ("vit_base", {}),
    "timm:vit_small_plus_patch16_dinov3": ("vit_small_plus", {"qkv_bias": False}),
}


def on_meta(listing):
    """Tensors without memory from ``{name: shape}`` or ``{name: [shape, dtype]}``."""
    shapes = {key: value[0] if value and isinstance(value[0], list) else value for key, value in listing.items()}
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def preset_shapes(name, overrides):
    with torch.device("meta"):
        return {key: tensor.shape for key, tensor in vit_backbone(name, **overrides).state_dict().items()}


def shapes_of(tensors):
    return {key: tensor.shape for key, tensor in tensors.items()}


@pytest.mark.parametrize("hub_name", HUB_PRESETS)
def test_every_tensor_of_the_public_models(golden, hub_name):
    state = on_meta(golden("keys/hub_state_dicts.json")[hub_name]["state_dict"])
    found = find_network(state, source="file")
    assert (found.where, found.format, found.siblings) == ("", "dinov3", {})
    assert shapes_of(found.tensors) == preset_shapes(*HUB_PRESETS[hub_name])


def test_every_tensor_of_the_meddinov3_teacher(golden):
    teacher = on_meta(golden("keys/meddinov3_teacher_checkpoint.json")["teacher_state_dict"])
    found = find_network({"teacher": teacher}, source="file")
    assert (found.where, found.format) == ("teacher.backbone", "dinov3")
    assert shapes_of(found.tensors) == preset_shapes("vit_base", {"qkv_bias": False})
    assert {key.split(".")[0] for key in found.siblings} == {"dino_head", "ibot_head"}
    assert len(found.tensors) + len(found.siblings) == len(teacher)


@pytest.mark.parametrize("timm_name", TIMM_PRESETS)
def test_every_tensor_of_timm(golden, timm_name):
    found = find_network(on_meta(golden("keys/hf_timm_mapping.json")[timm_name]), source="file")
    assert found.format == "timm"
    name, overrides = TIMM_PRESETS[timm_name]
    wanted = preset_shapes(name, {**overrides, "depth": 1})  # the listing stops after the first block
    absent = {key for key in wanted if key.endswith(("rope_embed.periods", "mask_token", "bias_mask"))}
    assert len(absent) == (3 if name == "vit_base" and not overrides else 2)
    assert shapes_of(found.tensors) == {key: shape for key, shape in wanted.items() if key not in absent}


def test_every_tensor_of_the_official_segmenter(golden, tiny_segmenter):
    state = golden("primus/Primus_Multiscale.state_dict.safetensors")
    found = find_network({"network_weights": state, "optimizer_state": {}}, source="file")
    assert found.where == "network_weights.dino_encoder"
    names = segmenter_siblings(found.siblings).keys()
    assert names == {key for key in tiny_segmenter().state_dict() if key.startswith("decoder.")}


def test_biases_of_timm_and_their_order():
    qkv = {"blocks.0.attn.q_bias": torch.full((2,), 1.0), "blocks.0.attn.v_bias": torch.full((2,), 3.0)}
    renamed, notes = timm_to_dinov3(qkv)
    assert renamed["blocks.0.attn.qkv.bias"].tolist() == [1, 1, 0, 0, 3, 3]
    assert list(renamed) == ["blocks.0.attn.qkv.bias"]
    assert notes == ["the file has no k bias; zeros are used"]


STATE = {"cls_token": torch.zeros(1), "norm.weight": torch.zeros(1)}


def prefixed(prefix):
    return {f"{prefix}{key}": value for key, value in STATE.items()}


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        (STATE, ""),
        ({"model": STATE}, "model"),
        ({"network": prefixed("backbone.")}, "network.backbone"),
        ({"teacher": {"backbone": STATE}, "iteration": 3}, "teacher.backbone"),
        ({"student": prefixed("backbone."), "teacher": prefixed("backbone.")}, "teacher.backbone"),
        ({"network": prefixed("student.backbone.") | prefixed("teacher.backbone.")}, "network.teacher.backbone"),
        ({"gram_teacher": STATE, "teacher": STATE, "optimizer": {"state": {0: {"exp_avg": STATE}}}}, "teacher"),
        ({"ema_of_mine": STATE}, "ema_of_mine"),
        (prefixed("module."), ""),
        (prefixed("_orig_mod.module.backbone."), "backbone"),
        (prefixed("backbone._orig_mod."), "backbone"),
    ],
)
def test_containers_and_prefixes(payload, where):
    found = find_network(payload, source="file")
    assert found.where == where
    assert found.tensors.keys() == STATE.keys()


def test_lone_student_is_said():
    assert "no teacher" in find_network({"student": STATE}, source="file").notes[0]


def test_what_is_left_aside_is_said():
    notes = find_network({"teacher": STATE, "gram_teacher": STATE}, source="file").notes
    assert notes == ["not loaded from the file: gram_teacher"]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"optimizer": {}, "epoch": 3}, r"file: holds no DINOv3 backbone; found optimizer, epoch\. .*'teacher'"),
        ({}, "found nothing"),
        ([STATE], "found a list"),
        (torch.zeros(3), "found a Tensor"),
        ({"mine": STATE, "yours": STATE}, "several backbones"),
        ({f"stages.{index}.weight": torch.zeros(1) for index in range(30)}, r"30 in all"),
    ],
)
def test_nothing_to_take(payload, message):
    with pytest.raises(InputError, match=message):
        find_network(payload, source="file")
