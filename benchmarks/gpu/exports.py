"""Exported networks against the one they were made from: ``torch.export``, ONNX, TensorRT."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import torch
from random_weights import write_random_weights
from torch import Tensor

from . import bundles
from .bundles import AMOS, run
from .check import Figures, Place, Skipped, needs, require
from .numbers import full_precision, relative_error

_LIMIT = 1e-3
_TENSORRT_LIMIT = 3e-2  # it computes in bf16
_SIDE = 64


def check_pt2(place: Place, figures: Figures) -> None:
    """A ``.pt2`` file; on CUDA its program is moved there and run too."""
    from meddino_components.export.program import export_program

    network = _segmenter()
    _check_written(place, figures, ".pt2")
    if place.on_cuda:
        from torch.export.passes import move_to_device_pass

        slices = _slices()
        program = move_to_device_pass(export_program(network), str(place.device)).module()
        with torch.no_grad(), full_precision():
            _compare(figures, program(slices.to(place.device)), network(slices), _LIMIT)


def check_onnx(place: Place, figures: Figures) -> None:
    """An ``.onnx`` file, run by the providers that onnxruntime has."""
    needs("onnx", "onnxscript", "onnxruntime")
    import onnxruntime

    figures["providers"] = onnxruntime.get_available_providers()
    _check_written(place, figures, ".onnx")


def check_tensorrt(place: Place, figures: Figures) -> None:
    """An engine that MONAI builds, in bf16."""
    if not place.on_cuda:
        raise Skipped("needs a CUDA device")
    needs("tensorrt", "polygraphy", "onnx")
    from meddino_components.export import compile_with_tensorrt

    slices = _slices()
    network = _segmenter()
    with torch.no_grad():
        expected = network(slices)
    path = place.folder / "tensorrt.pt"
    path.touch()
    compiled: Callable[[Tensor], Tensor] = compile_with_tensorrt(
        network=network,
        device=place.device,
        path=path,
        args={"precision": "bf16", "dynamic_batchsize": [1, len(slices), len(slices)]},
    )
    with torch.no_grad():
        _compare(figures, compiled(slices.to(place.device)), expected, _TENSORRT_LIMIT)


def _check_written(place: Place, figures: Figures, suffix: str) -> None:
    """By the command that a user types, which leaves a file only where its logits agree with the network's."""
    path, weights = place.folder / f"exported{suffix}", place.folder / "exported.pt"
    write_random_weights(AMOS, weights, overrides=bundles.TINY)
    command = [sys.executable, "-m", "meddino_components", "export", str(path), "--bundle", str(AMOS)]
    command += ["--model", str(weights), "--tolerance", str(_LIMIT)]
    run(place, command, path.name)
    record = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    for check in record["checks"]:
        shape = " x ".join(map(str, check["shape"]))
        figures[f"largest difference, {shape}"] = check["max_abs_difference"] / max(check["max_abs_logit"], 1e-12)
    require(bool(record["checks"]), "the export was compared with nothing")


def _compare(figures: Figures, found: Tensor, expected: Tensor, limit: float) -> None:
    figures["relative_error"] = error = relative_error(found, expected)
    require(error <= limit, f"logits are off by {error:.3g} of their norm, allowed {limit:g}")


def _segmenter() -> torch.nn.Module:
    """So small that it is exported in seconds, with weights by which its positions matter."""
    from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter

    torch.manual_seed(0)
    backbone = DinoVisionTransformer(embed_dim=16, depth=1, num_heads=2, layerscale_init=1.0, n_storage_tokens=1)
    network = MedDinoSegmenter(backbone=backbone, num_classes=3, in_channels=1, interaction_indices=[0]).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


def _slices() -> Tensor:
    return torch.randn(2, 1, _SIDE, _SIDE, generator=torch.Generator().manual_seed(1))
