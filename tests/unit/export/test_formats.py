"""Exported files: suffixes, packages, what stands in them."""

import pytest
import torch

from meddino_components.checkpoints import WeightsRecord, sha256_of
from meddino_components.errors import InputError
from meddino_components.export import formats
from meddino_components.export.formats import read_exported, suffix_of, write_exported

RECORD = WeightsRecord(labels={0: "Blase", 1: "Gefäß"}, export={"input": {"channels": 4}})


@pytest.mark.parametrize("name", ["model.pt", "model", "model.ts"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"\.onnx or \.pt2 files"):
        suffix_of(tmp_path / name)


def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(InputError, match=r"needs onnxscript: install the extra 'export'"):
        suffix_of(tmp_path / "model.onnx")
    assert suffix_of(tmp_path / "model.pt2") == ".pt2"


def test_a_missing_and_a_damaged_file(tmp_path):
    path = tmp_path / "model.pt2"
    with pytest.raises(InputError, match="no such file; write it with"):
        read_exported(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="or damaged"):
        read_exported(path, sha256_of(path))
    path.write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="or damaged"):
        read_exported(path, sha256_of(path))


def test_more_weights_than_an_onnx_file_holds(program, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(formats, "_ONNX_LIMIT", 100)
    with pytest.raises(InputError, match=r"do not fit in one ONNX file \(2 GiB\): export to \.pt2"):
        write_exported(program, tmp_path / "model.onnx", RECORD)


@torch.no_grad()
def test_a_pt2_file_runs_and_says_what_it_is(network, program, tmp_path):
    write_exported(program, tmp_path / "model.pt2", RECORD)
    run, record = read_exported(tmp_path / "model.pt2", sha256_of(tmp_path / "model.pt2"))
    assert record == RECORD
    for shape in [(1, 4, 32, 48), (2, 4, 80, 64)]:
        slices = torch.randn(shape)
        expected = network(slices)
        assert torch.equal(run(slices), expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):  # which the evaluator of a bundle may be under
            assert torch.equal(run(slices), expected)


@pytest.mark.slow
@torch.no_grad()
def test_an_onnx_file_runs_and_says_what_it_is(network, program, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    write_exported(program, path, RECORD)
    assert [item.name for item in tmp_path.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(path, full_check=True)
    run, record = read_exported(path)
    assert record == RECORD
    for shape in [(1, 4, 32, 48), (2, 4, 32, 48), (1, 4, 112, 80), (3, 4, 112, 80)]:
        slices = torch.randn(shape)
        expected = network(slices)
        # fp32 sums in another order, and what they make of a rounding to bf16
        torch.testing.assert_close(run(slices), expected, rtol=0, atol=2e-3 * float(expected.abs().max()))
