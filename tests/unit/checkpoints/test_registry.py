"""What is known of published encoders, and that it is asked for by name."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from meddino_components.checkpoints import (
    find_known,
    intensity_of,
    known_encoders,
    load_backbone_weights,
    registry,
    registry_table,
    source,
)
from meddino_components.checkpoints.registry import find_by_sha256
from meddino_components.checkpoints.source import resolve, sha256_of
from meddino_components.errors import InputError
from meddino_components.networks import DinoVisionTransformer

ENTRIES = list(known_encoders().values())
# of the public checkpoints
N_PARAMETERS = {
    "dinov3-s": 21_601_152,
    "dinov3-s-plus": 28_697_472,
    "dinov3-b": 85_669_632,
    "dinov3-l": 303_154_176,
    "dinov3-h-plus": 840_633_600,
    "dinov3-7b": 6_716_043_264,
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_is_a_network_and_says_what_is_not_verified(entry):
    with torch.device("meta"):
        network = DinoVisionTransformer(**entry.architecture)
    if entry.name in N_PARAMETERS:
        assert sum(p.numel() for p in network.parameters()) == N_PARAMETERS[entry.name]
    assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.revision is None or re.fullmatch("[0-9a-f]{40}", entry.revision)
    assert entry.sha256 or "SHA-256" in entry.note
    assert entry.intensity in ("scan", "picture", None)
    assert find_known(entry.name) == entry
    assert find_known(entry.source) == find_known(f"hf://{entry.repository}") == entry


def test_the_table_of_the_documentation_is_the_registry():
    page = (Path(__file__).parents[3] / "docs" / "weights.md").read_text(encoding="utf-8")
    assert registry_table() in page, (
        "replace the table by what print(meddino_components.checkpoints.registry_table()) shows"
    )


def test_the_encoders_of_the_recipe_differ_as_published():
    ours, lvd = known_encoders()["meddinov3-b"].architecture, known_encoders()["dinov3-b"].architecture
    assert {name: (ours[name], lvd[name]) for name in ours if ours[name] != lvd[name]} == {
        "qkv_bias": (False, True),
        "norm_layer": ("layernorm", "layernormbf16"),
        "pos_embed_rope_dtype": ("bf16", "fp32"),
    }


def test_normalisation_is_that_of_the_encoder():
    assert intensity_of(weights="dinov3-b") == intensity_of(weights="hf://facebook/dinov3-vitb16-pretrain-lvd1689m")
    assert intensity_of(weights="dinov3-b") == "picture"
    assert intensity_of(weights="meddinov3-b") == intensity_of(weights="mine.pt") == "scan"
    assert intensity_of(weights="mine.pt", stated="picture") == "picture"
    with pytest.raises(InputError, match="expected 'scan' or 'picture'"):
        intensity_of(weights="mine.pt", stated="photo")
    with pytest.raises(InputError, match="needs an image normalisation that is not supported"):
        intensity_of(weights="flexict-2d-b")


def test_another_revision_may_hold_other_weights():
    assert find_known("hf://facebook/dinov3-vitb16-pretrain-lvd1689m@0000000") is None


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(InputError, match=r"^meddino-b: no such file or known encoder: did you mean meddinov3-b"):
        resolve("meddino-b")
    with pytest.raises(InputError, match=r"^lost\.pt: no such file; give weights as a path"):
        resolve("lost.pt")
    with pytest.raises(
        InputError, match=r"dinov3-7b: these weights are not supported yet .the hub holds it in several"
    ):
        resolve("dinov3-7b")


def test_authors_files_are_known_by_the_digits_in_their_names():
    assert find_by_sha256("73cec8be" + 56 * "0").name == "dinov3-b"
    assert find_by_sha256(64 * "0") is None


def test_a_name_of_ones_own_file_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dinov3-b").touch()
    assert find_known("dinov3-b") is None


def test_the_sha256_of_a_known_encoder_is_checked(tmp_path, monkeypatch, tiny_vit):
    network = tiny_vit()
    path = tmp_path / "model.pth"
    torch.save(network.state_dict(), path)
    asked = []

    def downloaded(source, address):
        asked.append(str(address))
        return path

    monkeypatch.setattr(source, "_from_hub", downloaded)
    with pytest.raises(InputError, match=r"SHA-256 is .*, expected 9a21ac3d"):
        load_backbone_weights(network, "dinov3-b")
    assert asked == [known_encoders()["dinov3-b"].source]
    fitting = {**known_encoders(), "dinov3-b": replace(known_encoders()["dinov3-b"], sha256=sha256_of(path))}
    monkeypatch.setattr(registry, "known_encoders", lambda: fitting)
    load_backbone_weights(network, "dinov3-b")
