"""Weights of an encoder: from a file with its hash, or random ones that are the same in every run."""

import pytest
import torch

from meddino_components.checkpoints import write_weights
from meddino_components.embeddings import with_weights
from meddino_components.errors import InputError
from meddino_components.networks import vit_backbone


def small():
    return vit_backbone("vit_mini", embed_dim=48, depth=1, num_heads=1)


def numbers(network):
    return torch.cat([value.flatten().float() for _, value in sorted(network.state_dict().items())])


def test_random_weights_depend_on_the_seed_alone():
    networks = [small() for _ in range(3)]
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, again, other = (
        numbers(with_weights(network, "random", seed=seed)) for network, seed in zip(networks, (3, 3, 4), strict=True)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    # what is drawn afterwards is what would have been drawn
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_of_a_file_and_its_hash(tmp_path):
    torch.manual_seed(0)
    network = small()
    sha256 = write_weights(network.state_dict(), tmp_path / "a.safetensors")
    found = with_weights(small(), str(tmp_path / "a.safetensors"), sha256=sha256)
    assert torch.equal(numbers(found), numbers(network))
    with pytest.raises(InputError, match="SHA-256"):
        with_weights(small(), str(tmp_path / "a.safetensors"), sha256="0" * 64)
