"""An encoder is one fact: whichever configuration loads a file, it is the same network."""

import pytest
import torch
from command_lines import AMOS, BENCHMARK, PRETRAIN
from in_process import cause, command, run_here
from monai.bundle import ConfigParser

from meddino_components.checkpoints import (
    WeightsRecord,
    describe_network,
    load_backbone_weights,
    read_record,
    write_weights,
)
from meddino_components.errors import InputError
from meddino_components.networks import vit_backbone

IMAGES = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
# of which the segmentation bundles and the benchmark had other settings each
KINDS = {
    "as MedDINOv3": {"qkv_bias": False, "norm_layer": "layernorm", "pos_embed_rope_dtype": "bf16"},
    "as DINOv3": {},
    "unusual": {"n_storage_tokens": 2, "norm_layer": "layernorm", "mask_k_bias": False, "ffn_layer": "swiglu"},
}


def network_of(bundle, name, key, **settings):
    """The encoder that a configuration builds, before weights are loaded."""
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / f"{name}.json"))
    parser.update(settings)
    del parser.get()["network_def"]["_requires_"]
    return parser.get_parsed_content(key)


def tokens(network):
    with torch.no_grad():
        return network.eval().forward_features(IMAGES)["x_norm_patchtokens"]


@pytest.mark.parametrize("stated", [True, False], ids=["with a record", "bare"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_configuration_gives_the_same_features(tmp_path, kind, stated):
    torch.manual_seed(0)
    original = vit_backbone("vit_mini", depth=2, **KINDS[kind])
    with torch.no_grad():
        # a small variance, by which the two eps of LayerNorm give other features
        original.patch_embed.proj.weight *= 0.01
        original.cls_token *= 0.01
    path = str(tmp_path / "teacher.safetensors")
    record = WeightsRecord(architecture=describe_network(original)) if stated else None
    write_weights(original.state_dict(), path, record=record)
    built = [
        network_of(AMOS, "train", "network_def", weights=path, interaction_indices=[0, 1]).backbone,
        network_of(BENCHMARK, "classify", "network_def", weights=path),
        network_of(PRETRAIN, "evaluate", "network_def", model_path=path),
    ]
    found = []
    for network in built:
        load_backbone_weights(network, path)
        found.append(tokens(network))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    if stated:
        assert torch.equal(found[0], tokens(original))


def test_the_default_weights_are_one_network_everywhere():
    with torch.device("meta"):
        segmenter = network_of(AMOS, "train", "network_def").backbone
        encoder = network_of(BENCHMARK, "classify", "network_def")
    of_the_run = ("drop_path_rate", "pos_embed_rope_rescale_coords")
    ours, theirs = (
        {name: value for name, value in network.arguments.items() if name not in of_the_run}
        for network in (segmenter, encoder)
    )
    assert ours == theirs
    assert (segmenter.norm.eps, ours["qkv_bias"], ours["pos_embed_rope_dtype"]) == (1e-6, False, "bf16")


def test_a_segmenter_says_its_encoder(tmp_path):
    """Weights of a network of another size and kind; its depth says which blocks are decoded."""
    settings = {"weights": "random", "backbone": "vit_mini", "random_start::n_storage_tokens": 2}
    network = network_of(AMOS, "train", "network_def", **settings)
    write_weights(network.state_dict(), tmp_path / "model.pt")
    again = network_of(AMOS, "inference", "network_def", model_path=str(tmp_path / "model.pt"))
    again.load_state_dict(network.state_dict())
    # without a bias there is nothing to mask, and without training nothing to drop
    kept = {**network.backbone.arguments, "mask_k_bias": False, "drop_path_rate": 0.0}
    assert again.backbone.arguments == kept
    none = str(tmp_path / "none.pt")
    missing = network_of(AMOS, "inference", "network_def", model_path=none, backbone="vit_mini")
    assert missing.backbone.depth == 8


def test_a_backbone_that_contradicts_the_weights_ends_a_training(tmp_path, phantoms):
    write_weights(vit_backbone("vit_mini", depth=2).state_dict(), tmp_path / "mini.pt")
    settings = {"weights": str(tmp_path / "mini.pt"), "backbone": "vit_large", "dataset_dir": str(phantoms)}
    with pytest.raises(Exception, match="") as error:
        run_here(["train"], {**settings, "output_dir": str(tmp_path / "out")})
    found = cause(error.value)
    assert isinstance(found, InputError)
    assert "is 192 wide, 2 blocks, 3 heads, mlp, but backbone is vit_large (1024 wide, 24 blocks" in str(found)
    assert "\n" not in str(found)


def test_import_weights_keeps_what_no_tensor_shows(tmp_path, capsys):
    network = vit_backbone("vit_mini", depth=1)
    torch.save(network.state_dict(), tmp_path / "a.pt")
    assert command("import_weights", tmp_path / "a.pt", tmp_path / "a.safetensors") == 0
    assert "assumed, as neither the file nor the registry states it: norm_layer" in capsys.readouterr().out
    assert read_record(tmp_path / "a.safetensors").architecture["norm_layer"] == "layernormbf16"
    assert command("import_weights", "meddinov3", tmp_path / "b.safetensors") == 2
    assert "meddinov3: no such file or known encoder: did you mean meddinov3-b" in capsys.readouterr().err
