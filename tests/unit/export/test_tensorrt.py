"""TensorRT is refused where it cannot run; nothing here has a GPU."""

from pathlib import Path

import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.export import compile_with_tensorrt, tensorrt

ARGS = {"precision": "bf16", "dynamic_batchsize": [1, 4, 4]}


def test_refused_without_cuda():
    with pytest.raises(InputError, match="TensorRT needs a CUDA device, got cpu: omit the inference_trt"):
        compile_with_tensorrt(network=torch.nn.Identity(), device=torch.device("cpu"), path="model.pt", args=ARGS)


def test_refused_without_its_packages(monkeypatch):
    monkeypatch.setattr(tensorrt, "find_spec", lambda name: None if name != "onnx" else object())
    with pytest.raises(InputError, match=r"needs tensorrt, polygraphy: pip install tensorrt polygraphy"):
        compile_with_tensorrt(network=torch.nn.Identity(), device=torch.device("cuda"), path="model.pt", args=ARGS)


@pytest.fixture
def handed_on(monkeypatch, tmp_path):
    """What MONAI is given for weights, with a cache of this test's own."""
    monkeypatch.setattr(tensorrt, "find_spec", lambda name: object())
    monkeypatch.setattr(tensorrt, "trt_compile", lambda *given, **named: (given, named))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model.pt").write_bytes(b"weights")

    def compiled(args=ARGS):
        return compile_with_tensorrt(
            network=torch.nn.Identity(), device=torch.device("cuda"), path=tmp_path / "model.pt", args=args
        )

    return compiled


def test_hands_everything_to_monai(handed_on, tmp_path):
    (network, path), named = handed_on()
    assert isinstance(network, torch.nn.Identity)
    assert named == {"args": ARGS}
    assert Path(path).parent == tmp_path / "cache" / "meddino" / "tensorrt"
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700


def test_an_engine_that_came_with_the_weights_is_not_taken(handed_on, tmp_path):
    (tmp_path / "model.pt.plan").write_bytes(b"evil")
    (_, path), _ = handed_on()
    assert not Path(f"{path}.plan").exists()
    # other weights and other arguments have engines of their own
    (_, other), _ = handed_on({**ARGS, "precision": "fp32"})
    (tmp_path / "model.pt").write_bytes(b"other weights")
    (_, third), _ = handed_on()
    assert len({path, other, third}) == 3


def test_a_cache_that_others_can_write_to_is_refused(handed_on, tmp_path):
    (tmp_path / "cache" / "meddino" / "tensorrt").mkdir(parents=True)
    (tmp_path / "cache" / "meddino" / "tensorrt").chmod(0o777)
    with pytest.raises(InputError, match="other users can write there"):
        handed_on()
