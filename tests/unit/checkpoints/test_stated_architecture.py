"""What a file says about its own network."""

import pytest
import torch
from tiny_segmenter import tiny_segmenter

from meddino_components.checkpoints import WeightsRecord, describe_monai_network, describe_network, write_weights
from meddino_components.checkpoints.stated_architecture import read_stated_architecture
from meddino_components.errors import InputError
from meddino_components.networks import ARCHITECTURE_ARGUMENTS, vit_backbone


def write(path, architecture):
    write_weights({"a": torch.zeros(1)}, path, record=WeightsRecord(architecture=architecture))
    return path


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_every_argument_of_the_backbone(tmp_path, suffix):
    network = vit_backbone("vit_mini", depth=1, qkv_bias=False, n_storage_tokens=2, drop_path_rate=0.3)
    found = read_stated_architecture(write(tmp_path / f"a.{suffix}", describe_network(network)))
    assert found == {name: network.arguments[name] for name in ARCHITECTURE_ARGUMENTS}
    assert (found["embed_dim"], found["depth"], found["qkv_bias"], found["n_storage_tokens"]) == (192, 1, False, 2)


def test_of_a_segmenter_that_of_its_backbone(tmp_path):
    network = tiny_segmenter(in_channels=4)
    found = read_stated_architecture(write(tmp_path / "a.pt", describe_network(network)))
    assert found == {name: network.backbone.arguments[name] for name in ARCHITECTURE_ARGUMENTS}
    assert found["in_chans"] == 4


def test_files_that_state_none(tmp_path):
    assert read_stated_architecture(write(tmp_path / "a.pt", None)) is None
    torch.save({"a": torch.zeros(1)}, tmp_path / "bare.pt")
    assert read_stated_architecture(tmp_path / "bare.pt") is None


@pytest.mark.parametrize(
    "architecture",
    [
        {"_target_": "os.system", "command": "true"},
        {"_target_": "meddino_components.networks.DinoVisionTransformer", "norm_layer": ["layernorm"]},
        describe_monai_network({"_target_": "BasicUNet", "spatial_dims": 2, "features": [4, 4, 4, 4, 4, 4]}),
    ],
    ids=["no network", "a list", "of MONAI"],
)
def test_what_is_none_of_a_backbone(tmp_path, architecture):
    path = write(tmp_path / "a.pt", architecture)
    with pytest.raises(InputError, match=r"a\.pt: states an architecture that is not a backbone's: ") as refused:
        read_stated_architecture(path)
    assert len(str(refused.value)) <= 400
    assert "\n" not in str(refused.value)
