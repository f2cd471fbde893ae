"""One network or several by ``model_path``."""

import pytest
from ensembles import PUBLISHED, settings_of, write_member
from tiny_segmenter import tiny_segmenter

from meddino_components.checkpoints import sha256_of
from meddino_components.errors import InputError
from meddino_components.inference import load_model_weights, member_facts, model_settings, network_of_model
from meddino_components.networks import MedDinoSegmenter


def test_a_list_of_one_is_the_network_itself(tmp_path):
    path = write_member(tmp_path / "a.pt")
    settings = settings_of(path)
    assert settings == model_settings(model_path=path, typed={}, published=PUBLISHED)
    network = network_of_model(settings=settings)
    assert isinstance(network, MedDinoSegmenter)
    assert load_model_weights(network=network, source=[path]).sha256 == sha256_of(path)
    assert member_facts(network=network) is None


def test_several_are_described_for_results(tmp_path):
    paths = [write_member(tmp_path / f"{n}.pt", seed=n, roi_size=[32, 32 * n]) for n in (1, 2)]
    network = network_of_model(settings=settings_of(*paths))
    facts = member_facts(network=network)
    assert {one["model"]: one["model_sha256"] for one in facts} == {path.name: sha256_of(path) for path in paths}
    assert {one["model"]: one["roi_size"] for one in facts} == {"1.pt": [32, 32], "2.pt": [32, 64]}
    sha256 = load_model_weights(network=network, source=paths).sha256
    again = network_of_model(settings=settings_of(*reversed(paths)))
    assert load_model_weights(network=again, source=paths).sha256 == sha256
    assert sha256 not in {one["model_sha256"] for one in facts}


def test_a_typed_setting_must_match_every_record(tmp_path):
    paths = [write_member(tmp_path / f"{n}.pt", roi_size=[32, 32 * n]) for n in (1, 2)]
    with pytest.raises(InputError, match=r"2\.pt: its record contradicts these settings: roi_size"):
        model_settings(model_path=paths, typed={"roi_size": [32, 32]}, published=PUBLISHED)


def test_several_weights_for_one_network_are_refused():
    with pytest.raises(InputError, match="lists 2 weights, but network_def is one MedDinoSegmenter"):
        load_model_weights(network=tiny_segmenter(), source=["a.pt", "b.pt"])


def test_an_empty_list_is_refused():
    with pytest.raises(InputError, match="model_path is an empty list"):
        model_settings(model_path=[], typed={}, published=PUBLISHED)
