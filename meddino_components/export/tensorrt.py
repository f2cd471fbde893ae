"""Run a network with TensorRT on CUDA, through MONAI."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from monai.networks import trt_compile
from torch import nn

from ..checkpoints import sha256_of
from ..errors import InputError
from ..project import extra


def compile_with_tensorrt(
    *, network: nn.Module, device: torch.device, path: str | os.PathLike[str], args: Mapping[str, Any]
) -> nn.Module:
    """Let a network run as a TensorRT engine, which its first call builds and stores in the user's own cache.

    An engine is code, so none is loaded from the weights' folder, where it could have come with untrusted weights.

    If TensorRT is missing, MONAI's ``trt_compile`` silently continues without it; here this is an error.

    Args:
        network: network with loaded weights.
        device: CUDA device.
        path: path of the weights; each file gets its own engine.
        args: arguments for MONAI's ``TrtCompiler``.

    Raises:
        InputError: the device is not a CUDA device, a package is missing, or the cache belongs to another user.
    """
    if torch.device(device).type != "cuda":
        raise InputError(f"TensorRT needs a CUDA device, got {device}: omit the inference_trt configuration")
    if missing := [name for name in ("tensorrt", "polygraphy", "onnx") if find_spec(name) is None]:
        raise InputError(
            f"the inference_trt configuration needs {', '.join(missing)}: pip install tensorrt polygraphy "
            f"and {extra('export')}; or omit it"
        )
    return trt_compile(network.to(device), os.fspath(_engine_path(path, args)), args=dict(args))


def _engine_path(weights: str | os.PathLike[str], args: Mapping[str, Any]) -> Path:
    """Return the path of the engine for these weights and arguments, without MONAI's suffix."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meddino" / "tensorrt"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = cache.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise InputError(
            f"{cache}: other users can write there, and engines are code: restrict it to yourself (chmod 700), or set "
            f"XDG_CACHE_HOME"
        )
    identity = json.dumps([sha256_of(weights), torch.__version__, args], sort_keys=True, default=str)
    return cache / hashlib.sha256(identity.encode()).hexdigest()
