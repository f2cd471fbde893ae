"""One network at a time is in memory."""

import copy
import gc
import tempfile

import pytest
import torch
from ensembles import ensemble_of, write_member

from meddino_components.checkpoints import read_payload, sha256_of
from meddino_components.errors import InputError


def n_values(network):
    return sum(tensor.numel() for tensor in [*network.parameters(), *network.buffers()])


@pytest.fixture
def paths(tmp_path):
    return [write_member(tmp_path / f"{n}.pt", seed=n) for n in range(3)]


def test_tensors_are_in_memory_only_during_a_turn(paths):
    ensemble = ensemble_of(*paths)
    members = ensemble.members()
    assert [n_values(member.network) for member in members] == [0, 0, 0]
    with ensemble.turn(members[1]) as network:
        assert n_values(network) > 1000
        assert [n_values(member.network) for member in members] == [0, n_values(network), 0]
        stored = read_payload(members[1].settings.source)
        assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in stored.items())
    assert n_values(members[1].network) == 0


def test_networks_are_ordered_by_their_hashes(paths):
    ensemble = ensemble_of(*reversed(paths))
    assert [member.report.sha256 for member in ensemble.members()] == sorted(map(sha256_of, paths))


def test_temporary_files_are_removed_with_the_ensemble(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ensemble = ensemble_of(*paths)
    ensemble.members()
    assert len(list(tmp_path.glob("meddino-ensemble-*/*.pt"))) == 3
    del ensemble
    gc.collect()
    assert not list(tmp_path.glob("meddino-ensemble-*"))


def test_an_ensemble_is_not_one_function(paths):
    with pytest.raises(InputError, match="segment a volume with VolumeInferer"):
        ensemble_of(*paths)(torch.zeros(1, 1, 32, 32))


def test_a_copy_shares_the_networks(paths):
    ensemble = ensemble_of(*paths)
    copied = copy.deepcopy(ensemble)
    assert copied.members() is ensemble.members()
    assert not copied.state_dict()
    with copied.turn(copied.members()[0]) as network:
        assert n_values(network) > 1000
