"""Weights of a whole network, whoever trained it."""

import pytest
import torch
from torch import nn

from meddino_components.checkpoints import load_network_weights, load_starting_weights, sha256_of
from meddino_components.checkpoints.whole_network import load_whole_weights
from meddino_components.errors import InputError


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def equal(first, second):
    return all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


@pytest.mark.parametrize("entry", [None, "model", "network", "state_dict", "network_weights", "net"])
def test_wherever_a_training_keeps_them(tmp_path, entry):
    trained, loaded, path = network(1), network(2), tmp_path / "model.pt"
    torch.save(trained.state_dict() if entry is None else {"epoch": 3, entry: trained.state_dict()}, path)
    report = load_whole_weights(loaded, path)
    assert equal(loaded, trained)
    assert report.format == "Sequential's names" + (f" under '{entry}'" if entry else "")
    # weight and bias, those of the norm, its mean, variance and count
    assert (report.n_tensors, report.sha256, report.source) == (7, sha256_of(path), str(path))


def change(name, value):
    def damage(state):
        return {key: tensor for key, tensor in {**state, name: value}.items() if tensor is not None}

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change("0.bias", None), "missing from the file: 0.bias"),
        (change("2.weight", torch.ones(1)), "unexpected: 2.weight"),
        (change("0.weight", torch.ones(3, 4)), "of the wrong shape: 0.weight"),
        (change("0.bias", torch.full((3,), torch.nan)), "with NaN or infinite values: 0.bias"),
        (lambda state: {"encoder." + key: tensor for key, tensor in state.items()}, "holds no tensor of Sequential"),
        (lambda state: [1, 2], "holds no tensor of Sequential"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(tmp_path, damage, said):
    loaded, path = network(2), tmp_path / "model.pt"
    torch.save(damage(network(1).state_dict()), path)
    with pytest.raises(InputError) as refused:
        load_whole_weights(loaded, path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)
    assert equal(loaded, network(2))


def test_a_stated_hash_is_checked_before_anything_is_read(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"SHA-256 is .*, expected 0000"):
        load_whole_weights(network(), tmp_path / "model.pt", sha256="0" * 64)


def test_a_training_of_our_network_begins_with_the_backbone_alone(tmp_path, tiny_segmenter):
    trained, starting, before = tiny_segmenter(seed=1), tiny_segmenter(seed=2), tiny_segmenter(seed=2)
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    load_starting_weights(starting, tmp_path / "model.pt")
    assert equal(starting.backbone, trained.backbone)
    assert equal(starting.decoder, before.decoder)


def test_a_training_of_another_network_begins_with_all_of_it(tmp_path):
    torch.save(network(1).state_dict(), tmp_path / "model.pt")
    starting = network(2)
    load_starting_weights(starting, tmp_path / "model.pt")
    assert equal(starting, network(1))


def test_a_trained_network_of_ours_is_loaded_under_every_name_that_is_known_for_it(tmp_path, tiny_segmenter):
    trained, loaded = tiny_segmenter(seed=1), tiny_segmenter(seed=2)
    state = {key.replace("backbone.", "dino_encoder.", 1): tensor for key, tensor in trained.state_dict().items()}
    torch.save(state, tmp_path / "model.pt")
    load_network_weights(loaded, tmp_path / "model.pt")
    assert equal(loaded, trained)
    torch.save(network(1).state_dict(), tmp_path / "other.pt")
    other = network(2)
    load_network_weights(other, tmp_path / "other.pt")
    assert equal(other, network(1))
