"""Files in every format, from one tiny network: the right weights, or one error that says what to do."""

import pytest
import torch
from foreign_names import as_timm, as_transformers
from safetensors.torch import save_file
from torch.testing import assert_close

from meddino_components.checkpoints import (
    backbone_of,
    load_backbone_weights,
    load_segmenter_weights,
    read_backbone_weights,
    write_weights,
)
from meddino_components.errors import InputError
from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter

IMAGES = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))


def with_prefix(state, prefix):
    return {f"{prefix}{key}": tensor for key, tensor in state.items()}


HEADS = {"dino_head.mlp.0.weight": torch.zeros(2), "ibot_head.last_layer.weight": torch.zeros(2)}
LAYOUTS = {
    "official": lambda state: state,
    "teacher": lambda state: {"teacher": with_prefix(state, "backbone.") | HEADS},
    "training": lambda state: {"student": HEADS, "teacher": with_prefix(state, "backbone."), "iteration": 3},
    "flat": lambda state: {"network": with_prefix(state, "teacher.backbone."), "optimizer": {"state": {}}},
    "model": lambda state: {"model": state},
    "compiled": lambda state: with_prefix(state, "_orig_mod."),
    "transformers": as_transformers,
    "timm": as_timm,
}


def check_same(loaded, original):
    loaded.mask_token.data.copy_(original.mask_token)  # not in timm's files, and of no effect without masks
    assert_close(loaded(IMAGES), original(IMAGES), rtol=1e-6, atol=1e-6)


# transformers' gated network is in tests/parity, written by transformers itself
CASES = [(layout, {}) for layout in LAYOUTS]
CASES += [(layout, {"ffn_layer": "swiglu", "ffn_ratio": 6}) for layout in LAYOUTS if layout != "transformers"]


@pytest.mark.parametrize(("layout", "ffn"), CASES)
def test_every_layout(tmp_path, tiny_vit, layout, ffn):
    original, network = tiny_vit(seed=1, **ffn), tiny_vit(seed=2, **ffn)
    path = tmp_path / "weights.pth"
    torch.save(LAYOUTS[layout](original.state_dict()), path)
    report = load_backbone_weights(network, path)
    check_same(network, original)
    assert layout not in ("transformers", "timm") or report.format.startswith(layout)
    n_own = 3 + (layout == "timm")  # periods, two masks, and timm's mask token
    assert report.n_tensors == len(original.state_dict()) - n_own
    assert report.sha256 in str(report)
    assert str(path) in str(report)


def test_golden_networks(golden, golden_folder, vit_variant, tiny_vit):
    kwargs = golden(f"vit/{vit_variant}.kwargs.json")
    del kwargs["img_size"]
    defaults = {"layerscale_init": None, "norm_layer": "layernorm", "n_storage_tokens": 0, "mask_k_bias": False}
    network = tiny_vit(**{**defaults, **kwargs})
    own_periods = network.rope_embed.periods.clone()
    load_backbone_weights(network, golden_folder / f"vit/{vit_variant}.state_dict.safetensors")
    state = golden(f"vit/{vit_variant}.state_dict.safetensors")
    assert torch.equal(network.state_dict()["rope_embed.periods"], own_periods)
    del state["rope_embed.periods"]
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in state.items())


def test_safetensors_round_trip(tmp_path, tiny_vit):
    original, network = tiny_vit(seed=1), tiny_vit(seed=2)
    write_weights(original.state_dict(), tmp_path / "model.safetensors")
    load_backbone_weights(network, tmp_path)  # the folder holds one weight file
    check_same(network, original)
    with pytest.raises(InputError, match="expected 00"):
        load_backbone_weights(network, tmp_path, sha256="00")


@pytest.mark.parametrize("in_chans", [1, 4])
def test_other_channels(tmp_path, tiny_vit, in_chans):
    original, network = tiny_vit(seed=1), tiny_vit(seed=2, in_chans=in_chans)
    write_weights(original.state_dict(), tmp_path / "model.pt")
    report = load_backbone_weights(network, tmp_path / "model.pt")
    grey = IMAGES[:, :1]
    outputs = network(grey.expand(-1, in_chans, -1, -1)), original(grey.expand(-1, 3, -1, -1))
    assert_close(*outputs, rtol=1e-5, atol=1e-5)
    assert f"from 3 to {in_chans} input channels" in str(report)


def test_another_patch_size_is_taken_on_request_alone(tmp_path, tiny_vit):
    original, network = tiny_vit(seed=1, patch_size=8), tiny_vit(seed=2)
    write_weights(original.state_dict(), tmp_path / "model.pt")
    with pytest.raises(
        InputError, match=r"patches are 8 px wide, the network's 16 px: .* import_weights --patch_size 16"
    ):
        load_backbone_weights(network, tmp_path / "model.pt")
    network = backbone_of(weights=tmp_path / "model.pt", patch_size=16)
    report = load_backbone_weights(network, tmp_path / "model.pt", resample_patches=True)
    assert "patch embedding resampled from 8 to 16 px: an image 2 times as large gives the tokens" in str(report)
    # of one value in each patch, the tokens are the same
    flat = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    images = [flat.repeat_interleave(side, 2).repeat_interleave(side, 3) for side in (8, 16)]
    assert_close(network(images[1]), original(images[0]), rtol=1e-3, atol=1e-3)


def test_the_report_says_which_commit_was_taken(tmp_path, tiny_vit, monkeypatch):
    network, commit = tiny_vit(), "0123456789abcdef0123456789abcdef01234567"
    path = tmp_path / "snapshots" / commit / "model.pt"
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    monkeypatch.setattr("meddino_components.checkpoints.importer.resolve", lambda source: path)
    report = load_backbone_weights(network, "hf://acme/bundle")
    assert f"downloaded from hf://acme/bundle@{commit}/model.pt: give this address" in str(report)
    assert "downloaded from" not in str(load_backbone_weights(network, f"hf://acme/bundle@{commit}/model.pt"))


def beside_projectors(state):
    """EUPE: the encoder at the root, projectors beside it."""
    return state | {"projectors.0.weight": torch.zeros(2), "projectors.clip.mlp.weight": torch.zeros(2)}


def of_slices_and_volumes(state):
    """FlexiCT-2D: one patch embedding for slices, one for volumes."""
    renamed = {key.replace("patch_embed.", "patch_embed_2D."): tensor for key, tensor in state.items()}
    return renamed | {"patch_embed_3D.proj.weight": torch.zeros(32, 1, 2, 8, 8)}


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (beside_projectors, "not loaded from the file: projectors"),
        (lambda state: {"model": beside_projectors(with_prefix(state, ""))}, "not loaded from the file: projectors"),
        (of_slices_and_volumes, "not loaded, as they are for volumes: patch_embed_3D"),
        (lambda state: {"teacher": with_prefix(of_slices_and_volumes(state), "backbone.")}, "patch_embed_3D"),
    ],
)
def test_encoders_beside_other_parts(tmp_path, tiny_vit, layout, said):
    original, path = tiny_vit(seed=1, in_chans=1, patch_size=8), tmp_path / "weights.pth"
    torch.save(layout(original.state_dict()), path)
    network = backbone_of(weights=path)
    report = load_backbone_weights(network, path)
    assert said in str(report)
    assert_close(network(IMAGES[:, :1]), original(IMAGES[:, :1]), rtol=1e-6, atol=1e-6)


def test_half_precision_file(tmp_path, tiny_vit):
    original, network = tiny_vit(seed=1), tiny_vit(seed=2)
    save_file({key: tensor.bfloat16() for key, tensor in original.state_dict().items()}, tmp_path / "model.safetensors")
    load_backbone_weights(network, tmp_path / "model.safetensors")
    assert network.cls_token.dtype == torch.float32
    assert_close(network.cls_token, original.cls_token.bfloat16().float())


def renamed(state):
    return {key.replace("ls1.gamma", "ls1.scale"): tensor for key, tensor in state.items()}


def poisoned(state):
    return state | {"norm.weight": state["norm.weight"].clone().fill_(float("nan"))}


BROKEN = {
    "missing": (
        lambda state: {k: v for k, v in state.items() if k != "norm.bias"},
        "1 missing from the file: norm.bias",
    ),
    "no cls_token": (
        lambda state: {k: v for k, v in state.items() if k != "cls_token"},
        "missing from the file: cls_token",
    ),
    "extra": (lambda state: state | {"head.weight": torch.zeros(1)}, "1 unexpected: head.weight"),
    "extra beside": (
        lambda state: {"teacher": with_prefix(state, "backbone.") | {"head.weight": torch.zeros(1)}},
        "1 unexpected: head.weight",
    ),
    "renamed": (renamed, r"2 missing from the file: blocks.0.ls1.gamma.*\n.*2 unexpected: blocks.0.ls1.scale"),
    "wide": (lambda state: state | {"norm.bias": torch.zeros(3)}, r"norm.bias is \[3\], the network has \[32\]"),
    "NaN": (poisoned, "1 with NaN or infinite values: norm.weight"),
    "transposed q": (
        lambda state: {k: v for k, v in as_transformers(state).items() if not k.endswith("0.attention.q_proj.weight")},
        r"missing from the file: blocks.0.attn.qkv.weight\n.*unexpected: blocks.0.attn.k.weight",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_change_nothing(tmp_path, tiny_vit, case):
    breaks, message = BROKEN[case]
    network, path = tiny_vit(seed=2), tmp_path / "weights.pth"
    torch.save(breaks(tiny_vit(seed=1).state_dict()), path)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(InputError, match=message) as caught:
        load_backbone_weights(network, path)
    assert str(caught.value).startswith(f"{path}: the weights do not fit")
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_meddinov3_weights_are_of_another_network_than_dinov3s(tmp_path, tiny_vit):
    path = tmp_path / "teacher.pth"
    torch.save({"teacher": with_prefix(tiny_vit(qkv_bias=False).state_dict(), "backbone.")}, path)
    with pytest.raises(
        InputError, match="without biases of queries, keys and values: build the network from the weights"
    ):
        load_backbone_weights(tiny_vit(), path)
    network = backbone_of(weights=path)
    load_backbone_weights(network, path)
    assert network.blocks[0].attn.qkv.bias is None


def test_not_strict(tmp_path, tiny_vit):
    original, network, path = tiny_vit(seed=1), tiny_vit(seed=2), tmp_path / "weights.pth"
    state = original.state_dict()
    bias = network.norm.bias.clone()
    torch.save({k: v for k, v in state.items() if k != "norm.bias"} | {"more": torch.zeros(1)}, path)
    report = load_backbone_weights(network, path, strict=False)
    assert "missing from the file: norm.bias" in str(report)
    assert "unexpected: more" in str(report)
    assert torch.equal(network.norm.bias, bias)
    assert torch.equal(network.norm.weight, original.norm.weight)
    torch.save(state | {"norm.bias": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="wrong shape"):
        load_backbone_weights(network, path, strict=False)


def test_read(tmp_path, tiny_vit):
    path = tmp_path / "teacher.pth"
    torch.save({"teacher": with_prefix(tiny_vit().state_dict(), "backbone.") | HEADS}, path)
    weights = read_backbone_weights(path)
    assert weights.tensors.keys() == tiny_vit().state_dict().keys()
    assert weights.format == "dinov3 names under 'teacher.backbone'"
    assert weights.notes == ("not loaded from the file: dino_head, ibot_head",)


def as_official_segmenter(state):
    rename = {"backbone.": "dino_encoder.", "decoder.head.": "up_projection.decode.4."}
    rename |= {f"decoder.stages.{stage}.up.": f"up_projection.decode.{stage}.0." for stage in range(4)}
    rename |= {f"decoder.stages.{stage}.norm.": f"up_projection.decode.{stage}.1." for stage in range(4)}
    new = {}
    for key, tensor in state.items():
        old = next(prefix for prefix in rename if key.startswith(prefix))
        new[rename[old] + key.removeprefix(old)] = tensor
    return new


@pytest.mark.parametrize(
    "layout",
    [
        lambda state: state,
        lambda state: {"network": state, "optimizer": {}},
        as_official_segmenter,
        lambda state: {"network_weights": as_official_segmenter(state), "current_epoch": 3},
    ],
)
def test_segmenter(tmp_path, tiny_segmenter, tiny_vit, layout):
    original, network, path = tiny_segmenter(seed=1), tiny_segmenter(seed=2), tmp_path / "model.pt"
    torch.save(layout(original.state_dict()), path)
    report = load_segmenter_weights(network, path)
    assert_close(network(IMAGES[:, :1]), original(IMAGES[:, :1]), rtol=0, atol=0)
    assert report.n_tensors == len(original.state_dict()) - 3
    backbone = tiny_vit(seed=3)
    assert "not loaded from the file" in str(load_backbone_weights(backbone, path))
    check_same(backbone, original.backbone)


@pytest.mark.parametrize("kind", ["Primus", "Primus_Multiscale"])
def test_golden_segmenters(golden, golden_folder, kind):
    settings = golden(f"primus/{kind}.rope_fp32.json")
    kwargs, primus = settings["vit_kwargs"], settings["primus_kwargs"]
    del kwargs["img_size"]
    network = MedDinoSegmenter(
        backbone=DinoVisionTransformer(**kwargs),
        num_classes=primus["num_classes"],
        interaction_indices=primus.get("interaction_indices", [kwargs["depth"] - 1]),
    ).eval()
    report = load_segmenter_weights(network, golden_folder / f"primus/{kind}.state_dict.safetensors")
    assert report.n_tensors == len(network.state_dict()) - 1
    assert "rounded to bf16" in str(report)
    io = golden(f"primus/{kind}.rope_fp32.io.safetensors")
    with torch.no_grad():
        assert_close(network(io["x"]), io["logits"], rtol=0, atol=1e-3)


def test_segmenter_from_other_files(tmp_path, tiny_segmenter, tiny_vit):
    path = tmp_path / "model.pt"
    write_weights(tiny_vit().state_dict(), path)
    with pytest.raises(InputError, match=r"without a decoder: load it with load_backbone_weights\(segmenter\.backbone"):
        load_segmenter_weights(tiny_segmenter(), path)
    write_weights(tiny_segmenter(num_classes=5).state_dict(), path)
    with pytest.raises(InputError, match=r"to do: the file has 5 classes, the network 3: give label_names"):
        load_segmenter_weights(tiny_segmenter(), path)
    wide = MedDinoSegmenter(backbone=tiny_vit(embed_dim=64), num_classes=3, interaction_indices=[0, 1])
    write_weights(wide.state_dict(), path)
    with pytest.raises(InputError) as error:
        load_segmenter_weights(tiny_segmenter(), path)
    # one cause, one hint: the decoder's width follows the encoder's
    (hint,) = [line for line in str(error.value).splitlines() if "to do:" in line]
    assert "64 wide" in hint
    write_weights(MedDinoSegmenter(backbone=tiny_vit(), num_classes=3, interaction_indices=[1]).state_dict(), path)
    with pytest.raises(InputError, match="the file's decoder reads 1 blocks, the network's 2: give interaction_ind"):
        load_segmenter_weights(tiny_segmenter(), path)
    write_weights(tiny_segmenter(qkv_bias=False).state_dict(), path)
    with pytest.raises(InputError, match="without biases of queries, keys and values"):
        load_segmenter_weights(tiny_segmenter(), path)
