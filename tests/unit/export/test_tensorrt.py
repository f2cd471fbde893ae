"""TensorRT is refused where it cannot run; nothing here has a GPU."""

import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.export import compile_with_tensorrt, tensorrt

ARGS = {"precision": "bf16", "dynamic_batchsize": [1, 4, 4]}


def test_refused_without_cuda():
    with pytest.raises(InputError, match="TensorRT needs a CUDA device, got cpu: leave out the inference_trt"):
        compile_with_tensorrt(network=torch.nn.Identity(), device=torch.device("cpu"), path="model.pt", args=ARGS)


def test_refused_without_its_packages(monkeypatch):
    monkeypatch.setattr(tensorrt, "find_spec", lambda name: None if name != "onnx" else object())
    with pytest.raises(InputError, match=r"needs tensorrt, polygraphy: pip install tensorrt polygraphy"):
        compile_with_tensorrt(network=torch.nn.Identity(), device=torch.device("cuda"), path="model.pt", args=ARGS)


def test_hands_everything_to_monai(monkeypatch):
    network = torch.nn.Identity()
    monkeypatch.setattr(tensorrt, "find_spec", lambda name: object())
    monkeypatch.setattr(tensorrt, "trt_compile", lambda *given, **named: (given, named))
    given, named = compile_with_tensorrt(network=network, device=torch.device("cuda"), path="model.pt", args=ARGS)
    assert (given, named) == ((network, "model.pt"), {"args": ARGS})
