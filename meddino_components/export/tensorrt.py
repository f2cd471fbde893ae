"""TensorRT on CUDA, through MONAI."""

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
    """Let a network run as a TensorRT engine, which its first call builds and keeps in the user's own cache.

    An engine is code, so that none is taken from beside the weights, where it could have come with them.

    MONAI's ``trt_compile`` goes on without TensorRT where that is missing; one who asks for it wants to know.

    Args:
        network: its weights loaded.
        device: a CUDA device.
        path: the weights' file; another one makes another engine.
        args: of MONAI's ``TrtCompiler``.

    Raises:
        InputError: the device is not CUDA's, or a package is missing, or the cache is another user's.
    """
    if torch.device(device).type != "cuda":
        raise InputError(f"TensorRT needs a CUDA device, got {device}: leave out the inference_trt configuration")
    if missing := [name for name in ("tensorrt", "polygraphy", "onnx") if find_spec(name) is None]:
        raise InputError(
            f"the inference_trt configuration needs {', '.join(missing)}: pip install tensorrt polygraphy "
            f"and {extra('export')}; or leave it out"
        )
    return trt_compile(network.to(device), os.fspath(_engine_path(path, args)), args=dict(args))


def _engine_path(weights: str | os.PathLike[str], args: Mapping[str, Any]) -> Path:
    """Where the engine of these weights and arguments lies, but for MONAI's suffix."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meddino" / "tensorrt"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = cache.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise InputError(
            f"{cache}: others can write there, and engines are code: make it yours alone (chmod 700), or set "
            "XDG_CACHE_HOME"
        )
    identity = json.dumps([sha256_of(weights), torch.__version__, args], sort_keys=True, default=str)
    return cache / hashlib.sha256(identity.encode()).hexdigest()
