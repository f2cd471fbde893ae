"""`import_weights`: what it is asked for, and what it refuses."""

import pytest
import torch

from meddino_components.checkpoints import backbone_of, load_starting_weights, read_record, sha256_of
from meddino_components.commands import import_weights
from meddino_components.embeddings import with_weights
from meddino_components.errors import InputError
from meddino_components.networks import DinoVisionTransformer


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = DinoVisionTransformer(embed_dim=32, depth=2, num_heads=2, patch_size=8)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_another_patch_size_is_in_the_record(weights, tmp_path):
    output = tmp_path / "out.safetensors"
    said = import_weights(str(weights), str(output), patch_size=16)
    assert "patch embedding resampled from 8 to 16 px" in said
    assert read_record(output).architecture["patch_size"] == backbone_of(weights=output).patch_size == 16


def test_a_stated_sha256_is_checked_wherever_weights_begin_something(weights, tmp_path):
    other, output = "0" * 64, tmp_path / "out.safetensors"
    with pytest.raises(InputError, match=r"weights\.pth: SHA-256 is .*, but 0000"):
        import_weights(str(weights), str(output), weights_sha256=other)
    assert not output.exists()
    with pytest.raises(InputError, match="expected 64 hexadecimal digits"):
        import_weights(str(weights), str(output), weights_sha256="0000")
    network = backbone_of(weights=weights)
    for load, target in ((with_weights, network), (load_starting_weights, Trained(network))):
        with pytest.raises(InputError, match="expected 0000"):
            load(target, str(weights), sha256=other)
        load(target, str(weights), sha256=sha256_of(weights))
    import_weights(str(weights), str(output), weights_sha256=sha256_of(weights).upper())
    assert output.exists()


class Trained(torch.nn.Module):
    """A network whose backbone takes the weights."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
