"""Write and read exported networks as `torch.export` archives or ONNX, each with its record inside."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch.export import ExportedProgram

from ..bundle import EXPORTED_SUFFIXES
from ..checkpoints import RECORD_EXTRA_FILE, RECORD_KEY, RECORD_MEMBER, WeightsRecord, check_stated_sha256, read_record
from ..errors import InputError
from ..project import extra
from .bfloat16 import without_bfloat16

INPUT, OUTPUT = "image", "logits"
# an ONNX file is a protobuf message, at most 2 GiB; leave some room for the graph
_ONNX_LIMIT = 2**31 - 2**26
# members of a .pt2 archive, below its first folder; compiled code (data/aotinductor) is not allowed
_PT2_MEMBER = re.compile(
    r"data/(?:weights|constants)/[\w.-]+|data/sample_inputs/model\.pt|models/model\.json|extra/[\w.-]+"
    r"|archive_format|archive_version|\.data/version|byteorder|\.data/serialization_id"
)
# packages needed for reading and writing
_NEEDED = {".onnx": ("onnx", "onnxscript", "onnxruntime")}


def suffix_of(path: Path) -> str:
    """Return the suffix of an exported file.

    Raises:
        InputError: exported files do not have this suffix, or its packages are not installed.
    """
    if path.suffix not in EXPORTED_SUFFIXES:
        raise InputError(f"{path}: exported networks are .onnx or .pt2 files: give a name with one of these suffixes")
    if missing := [name for name in _NEEDED.get(path.suffix, ()) if find_spec(name) is None]:
        raise InputError(f"{path}: needs {', '.join(missing)}: {extra('export')}")
    return path.suffix


def write_exported(program: ExportedProgram, path: Path, record: WeightsRecord) -> None:
    """Write a program in the format of the suffix, with its record inside.

    Raises:
        InputError: the suffix is unknown, packages are missing, or the network is too large for the format.
    """
    suffix = suffix_of(path)
    text = record.to_json()
    if suffix == ".pt2":
        torch.export.save(program, path, extra_files={RECORD_EXTRA_FILE: text})
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
    onnx_program.model.metadata_props[RECORD_KEY] = text
    onnx_program.save(path, external_data=False)


def read_exported(
    path: Path, sha256: str | None = None
) -> tuple[Callable[[torch.Tensor], torch.Tensor], WeightsRecord]:
    """Read an exported network as a function of a batch [B, C, H, W] in fp32 on the CPU, and its record.

    Args:
        path: path of the file.
        sha256: SHA-256 of the file as its source states it. It is required for a ``.pt2`` file, see
            `check_stated_sha256`; an ONNX file is a graph of known operators and needs none.

    Raises:
        InputError: the file does not exist, is damaged, has another SHA-256, was not written by `write_exported`, or is
            a ``.pt2`` without a stated SHA-256.
    """
    suffix = suffix_of(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with `python -m meddino_components export`")
    check_stated_sha256(path, sha256)
    if suffix == ".pt2":
        check_pt2(path)
    record = read_record(path)
    if record is None or record.export is None:
        raise InputError(
            f"{path}: has no record of an export, expected a file of `python -m meddino_components export`"
        )
    try:
        run = _read_pt2(path) if suffix == ".pt2" else _read_onnx(path)
    except Exception as error:  # each reader raises its own kinds of errors
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a network exported by this project, or damaged ({reason})") from error
    return run, record


def check_pt2(path: Path) -> None:
    """Check the members of a ``.pt2`` archive without reading a pickle.

    Raises:
        InputError: the archive does not hold one network with a description as `write_exported` writes it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: not a network exported by this project, or damaged ({error})") from error
    if strange := [name for name in names if not _PT2_MEMBER.fullmatch(name)]:
        raise InputError(
            f"{path}: holds {strange[0]!r}, which no network exported by this project contains: do not use it"
        )
    if missing := {"models/model.json", RECORD_MEMBER} - set(names):
        raise InputError(f"{path}: not a network exported by this project: it has no {min(missing)}")


def _read_pt2(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    module = torch.export.load(path).module()

    def run(slices: torch.Tensor) -> torch.Tensor:
        # the program fixes the types of its tensors
        with torch.no_grad(), torch.autocast(slices.device.type, enabled=False):
            return module(slices)

    return run


def _read_onnx(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())

    def run(slices: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: slices.numpy(force=True)})[0])

    return run
