"""The record inside files of each format, and files without one."""

import hashlib
import zipfile

import pytest
import torch

from meddino_components.checkpoints import (
    RECORD_EXTRA_FILE,
    RECORD_KEY,
    AtomicSaver,
    WeightsRecord,
    read_payload,
    read_record,
    write_weights,
)
from meddino_components.errors import InputError

STATE = {"a.weight": torch.arange(12.0).view(3, 4), "a.bias": torch.ones(3)}
RECORD = WeightsRecord(labels={0: "background", 1: "Gefäß"}, bundle="meddinov3_seg_amos")


@pytest.mark.parametrize("suffix", ["pt", "pth", "safetensors"])
def test_weights_keep_it_and_stay_bare(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    digest = write_weights(STATE, path, record=RECORD)
    assert read_record(path) == RECORD
    loaded = read_payload(path)
    assert set(loaded) == set(STATE)
    assert all(torch.equal(loaded[key], STATE[key]) for key in STATE)
    # of the final file, with the record in it
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (tmp_path / f"model.{suffix}.sha256").read_text(encoding="utf-8").split()[0] == digest


@pytest.mark.parametrize("mmap", [False, True])
def test_everybody_else_loads_a_pt_as_before(tmp_path, mmap):
    write_weights(STATE, tmp_path / "model.pt", record=RECORD)
    loaded = torch.load(tmp_path / "model.pt", weights_only=True, mmap=mmap)
    assert type(loaded) is dict
    assert all(torch.equal(loaded[key], STATE[key]) for key in STATE)
    assert zipfile.ZipFile(tmp_path / "model.pt").testzip() is None


def test_a_training_checkpoint_keeps_it(tmp_path):
    AtomicSaver(dirname=tmp_path, record=RECORD)({"network": STATE, "iteration": 3}, "checkpoint.pt")
    assert read_record(tmp_path / "checkpoint.pt") == RECORD
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["iteration"] == 3


def test_exported_formats_keep_it(tmp_path):
    program = torch.export.export(torch.nn.ReLU(), (torch.zeros(2),))
    torch.export.save(program, tmp_path / "model.pt2", extra_files={RECORD_EXTRA_FILE: RECORD.to_json()})
    assert read_record(tmp_path / "model.pt2") == RECORD
    onnx = pytest.importorskip("onnx")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    onnx.helper.set_model_props(model, {RECORD_KEY: RECORD.to_json()})
    onnx.save_model(model, tmp_path / "model.onnx")
    assert read_record(tmp_path / "model.onnx") == RECORD
    (tmp_path / "damaged.onnx").write_bytes(b"\xff" * 50)
    with pytest.raises(InputError, match=r"damaged\.onnx: is not an ONNX model"):
        read_record(tmp_path / "damaged.onnx")


def test_files_of_others_have_none(tmp_path):
    write_weights(STATE, tmp_path / "model.pt")
    write_weights(STATE, tmp_path / "model.safetensors", {"licence": "none"})
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("model.pt", "model.safetensors", "old.pth"):
        assert read_record(tmp_path / name) is None
    with pytest.raises(InputError, match=r"lost\.pt: no such file"):
        read_record(tmp_path / "lost.pt")


def test_damage_is_said(tmp_path):
    twice, half, large = (tmp_path / f"{name}.pt" for name in ("twice", "half", "large"))
    write_weights(STATE, twice, record=RECORD)
    with zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("other/extra/meddino.json", "{}")
    with pytest.raises(InputError, match="holds 2 records, expected one"):
        read_record(twice)
    write_weights(STATE, half, record=RECORD)
    whole = half.read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="its record cannot be read"):
        read_record(half)
    write_weights(STATE, large)
    with zipfile.ZipFile(large, "a") as archive:
        archive.writestr("model/extra/meddino.json", " " * (5 << 20))
    with pytest.raises(InputError, match=r"takes 5\.0 MiB, expected at most 4"):
        read_record(large)
