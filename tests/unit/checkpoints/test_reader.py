"""Files that are not what they should be: one clear error each, and no code is run."""

import io
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.torch_version import TorchVersion

from meddino_components.checkpoints.reader import read_payload
from meddino_components.errors import InputError


class MakesFolder:
    """A pickle of this makes a folder when it is read without care."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("version", ["2.8.0", "2.9.1+cu128", "2.10.0", "2.13.0+cpu"])
def test_a_torch_with_a_hole_is_warned_of(tmp_path, monkeypatch, recwarn, version):
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(1)}, path)
    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    read_payload(path)
    warned = ["CVE-2026-24747" in str(one.message) for one in recwarn]
    assert warned == ([True] if version.startswith(("2.8", "2.9")) else [])


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_not_run(tmp_path, zipped):
    trap, path = tmp_path / "trap", tmp_path / "weights.pth"
    torch.save({"teacher": MakesFolder(trap)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"weights\.pth: refused.*posix\.mkdir.*weights_only"):
        read_payload(path)
    assert not trap.exists()


def test_plain_pickle_is_not_run(tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(MakesFolder(trap)))
    with pytest.raises(InputError, match=r"weights\.pth"):
        read_payload(path)
    assert not trap.exists()


def saved(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "neither a PyTorch checkpoint"),
        (b"hello world, this is a text\n", "copy or download it again"),
        (bytes(range(7, 250)), "neither a PyTorch checkpoint"),
        (saved({"a": torch.zeros(1000)})[:1500], "copy or download it again"),
        (saved({"a": torch.zeros(1000)}, _use_new_zipfile_serialization=False)[:900], "copy or download it again"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "weights of Jörg.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_payload(path)
    assert str(path) in str(caught.value)
    assert "weights_only=False" not in str(caught.value)


def test_cut_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="copy or download it again"):
        read_payload(path)


def test_the_suffix_does_not_decide(tmp_path):
    path = tmp_path / "weights.pt"
    save_file({"a": torch.ones(3)}, path)
    assert torch.equal(read_payload(path)["a"], torch.ones(3))


def test_numpy_scalars_of_nnunet_checkpoints(tmp_path):
    path = tmp_path / "checkpoint_final.pth"
    torch.save({"network_weights": {"a": torch.ones(3)}, "_best_ema": np.float64(0.5), "n": np.int64(3)}, path)
    assert read_payload(path)["_best_ema"] == 0.5
