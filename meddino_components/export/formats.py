"""The two files an exported network can be: a `torch.export` archive and ONNX, each with a description inside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from ..bundle import EXPORTED_SUFFIXES
from ..errors import InputError
from .bfloat16 import without_bfloat16

# under this name the description stands in the file
DESCRIPTION = "meddino.json"
INPUT, OUTPUT = "image", "logits"
# a protobuf message, which an ONNX file is, ends at 2 GiB; some room is for the graph
_ONNX_LIMIT = 2**31 - 2**26
# packages that reading and writing need
_NEEDED = {".onnx": ("onnx", "onnxscript", "onnxruntime")}


def suffix_of(path: Path) -> str:
    """The suffix of an exported file.

    Raises:
        InputError: it is no exported file's, or its packages are not installed.
    """
    if path.suffix not in EXPORTED_SUFFIXES:
        raise InputError(f"{path}: exported networks are .onnx or .pt2 files: give such a name")
    if missing := [name for name in _NEEDED.get(path.suffix, ()) if find_spec(name) is None]:
        raise InputError(f"{path}: needs {', '.join(missing)}: pip install 'meddino[export]'")
    return path.suffix


def write_exported(program: ExportedProgram, path: Path, description: Mapping[str, Any]) -> None:
    """Write a program as the suffix says, with its description inside.

    Raises:
        InputError: the suffix, the packages or the network's size do not fit the format.
    """
    suffix = suffix_of(path)
    text = json.dumps(description, ensure_ascii=False)
    if suffix == ".pt2":
        torch.export.save(program, path, extra_files={DESCRIPTION: text})
        return
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in program.state_dict.values())
    if n_bytes > _ONNX_LIMIT:
        raise InputError(
            f"{path}: {n_bytes / 2**30:.1f} GiB of weights do not fit in one ONNX file (2 GiB): export to .pt2"
        )
    onnx_program = torch.onnx.export(
        without_bfloat16(program), dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
    )
    assert onnx_program is not None
    onnx_program.model.metadata_props[DESCRIPTION] = text
    onnx_program.save(path, external_data=False)


def read_exported(path: Path) -> tuple[Callable[[torch.Tensor], torch.Tensor], dict[str, Any]]:
    """An exported network as a function of a batch [B, C, H, W] of fp32 on the CPU, and its description.

    Raises:
        InputError: there is no such file, it is damaged, or not one that `write_exported` wrote.
    """
    suffix = suffix_of(path)
    if not path.is_file():
        raise InputError(f"{path} not found: export a network to it by `python -m meddino_components export`")
    try:
        run, text = _read_pt2(path) if suffix == ".pt2" else _read_onnx(path)
        description = json.loads(text)
    except Exception as error:  # each reader has errors of its own, of no common kind
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: no network exported by this project, or a damaged one ({reason})") from error
    return run, description


def _read_pt2(path: Path) -> tuple[Callable[[torch.Tensor], torch.Tensor], str]:
    extra = {DESCRIPTION: ""}
    module = torch.export.load(path, extra_files=extra).module()

    def run(slices: torch.Tensor) -> torch.Tensor:
        # the types of its tensors are part of the program
        with torch.no_grad(), torch.autocast(slices.device.type, enabled=False):
            return module(slices)

    return run, extra[DESCRIPTION]


def _read_onnx(path: Path) -> tuple[Callable[[torch.Tensor], torch.Tensor], str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())

    def run(slices: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: slices.numpy(force=True)})[0])

    return run, session.get_modelmeta().custom_metadata_map[DESCRIPTION]
