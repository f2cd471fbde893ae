"""What weights were made from, as their record says it."""

import torch

from meddino_components.checkpoints import WeightsRecord, known_encoders, parent_of, parents, write_weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STATE = {"a": torch.zeros(2)}


def test_a_file_of_ones_own_is_named_without_its_folder_and_hands_on_its_licences(tmp_path):
    record = WeightsRecord(licences=("CC-BY-4.0", "Apache-2.0"))
    digest = write_weights(STATE, tmp_path / "teacher.safetensors", record=record)
    parent = parent_of(str(tmp_path / "teacher.safetensors"), digest, "encoder")
    expected = {"source": "teacher.safetensors", "sha256": digest, "role": "encoder", "record_id": record.id}
    assert parent.facts == expected
    assert parent.licences == ("CC-BY-4.0", "Apache-2.0")


def test_a_file_without_a_record_says_nothing_of_licences(tmp_path):
    torch.save(STATE, tmp_path / "bare.pt")
    parent = parent_of(str(tmp_path / "bare.pt"), "0", "network")
    assert parent.facts == {"source": "bare.pt", "sha256": "0", "role": "network", "record_id": None}
    assert parent.licences == ()


def test_what_the_hub_gave_is_named_by_its_commit(tmp_path, monkeypatch):
    taken = tmp_path / "models--acme--bundle" / "snapshots" / COMMIT / "sub" / "model.pt"
    taken.parent.mkdir(parents=True)
    torch.save(STATE, taken)
    monkeypatch.setattr(parents, "resolve", lambda source: taken)
    parent = parent_of("hf://acme/bundle", "0", "encoder")
    assert parent.facts["source"] == f"hf://acme/bundle@{COMMIT}/sub/model.pt"
    assert parent.licences == ()


def test_a_known_encoder_has_the_licence_of_the_registry(tmp_path, monkeypatch):
    """And its name where the file is no longer where the hub puts it."""
    torch.save(STATE, tmp_path / "model.pt")
    monkeypatch.setattr(parents, "resolve", lambda source: tmp_path / "model.pt")
    parent = parent_of("dinov3-b", "0", "encoder")
    assert parent.facts["source"] == "dinov3-b"
    assert parent.licences == (known_encoders()["dinov3-b"].licence,)
