"""TensorRT on CUDA, through MONAI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from monai.networks import trt_compile
from torch import nn

from ..errors import InputError


def compile_with_tensorrt(
    *, network: nn.Module, device: torch.device, path: str | os.PathLike[str], args: Mapping[str, Any]
) -> nn.Module:
    """Let a network run as a TensorRT engine, which its first call builds and keeps in ``<path>.plan``.

    MONAI's ``trt_compile`` goes on without TensorRT where that is missing; one who asks for it wants to know.

    Args:
        network: its weights loaded.
        device: a CUDA device.
        path: the weights' file; a newer one makes a new engine.
        args: of MONAI's ``TrtCompiler``.

    Raises:
        InputError: the device is not CUDA's, or a package is missing.
    """
    if torch.device(device).type != "cuda":
        raise InputError(f"TensorRT needs a CUDA device, got {device}: leave out the inference_trt configuration")
    if missing := [name for name in ("tensorrt", "polygraphy", "onnx") if find_spec(name) is None]:
        raise InputError(
            f"the inference_trt configuration needs {', '.join(missing)}: pip install tensorrt polygraphy "
            "'meddino[export]', or leave it out"
        )
    return trt_compile(network.to(device), os.fspath(path), args=dict(args))
