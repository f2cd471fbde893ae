"""A copy of weights with another record."""

from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from meddino_components.checkpoints import (
    WeightsRecord,
    check_target,
    read_record,
    sha256_of,
    write_weights,
    write_with_record,
)
from meddino_components.errors import InputError

RECORD = WeightsRecord(labels={0: "background", 1: "liver"}, channels=("image",))
CHANGED = replace(RECORD, postprocessing={"liver": [{"step": "fill_holes", "connectivity": 1}]})
STATE = {"a": torch.randn(3, 4), "b": torch.randn(5).bfloat16(), "c": torch.arange(3)}


@pytest.mark.parametrize("suffix", ["pt", "pth", "safetensors"])
@pytest.mark.parametrize("metadata", [None, {"note": "x"}])
def test_the_same_tensors_with_the_other_record(tmp_path, suffix, metadata):
    source, target = tmp_path / f"model.{suffix}", tmp_path / "new" / f"model.{suffix}"
    before = write_weights(STATE, source, metadata, record=RECORD)
    digest = write_with_record(source, target, CHANGED)
    assert (read_record(target), read_record(source), sha256_of(source)) == (CHANGED, RECORD, before)
    assert digest == sha256_of(target)
    assert target.with_name(f"{target.name}.sha256").read_text().startswith(digest)
    if suffix == "safetensors":
        found = load_file(target)
        with safe_open(target, framework="pt") as file:
            assert file.metadata().get("note") == (metadata or {}).get("note")
    else:
        found = torch.load(target, weights_only=True)
        assert found.get("metadata") == metadata
        found = found["model"] if metadata else found
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) and found[name].dtype == STATE[name].dtype for name in STATE)


def test_a_file_that_exists_is_never_replaced(tmp_path):
    source, target = tmp_path / "model.pt", tmp_path / "other.pt"
    write_weights(STATE, source, record=RECORD)
    before = write_weights(STATE, target, record=RECORD)
    for path in (source, target):
        with pytest.raises(InputError, match="exists and is never replaced; give the path of a new file"):
            write_with_record(source, path, CHANGED)
    assert sha256_of(target) == before


def test_kinds_of_files(tmp_path):
    with pytest.raises(
        InputError, match=r"model.onnx: a record can be changed in .pt, .pth and .safetensors files only"
    ):
        check_target(tmp_path / "model.onnx", tmp_path / "new.onnx")
    with pytest.raises(InputError, match=r"new.pt: has another suffix than .*model.safetensors"):
        check_target(tmp_path / "model.safetensors", tmp_path / "new.pt")
