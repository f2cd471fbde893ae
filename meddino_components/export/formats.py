"""The two files an exported network can be: a `torch.export` archive and ONNX, each with its record inside."""

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
# a protobuf message, which an ONNX file is, ends at 2 GiB; some room is for the graph
_ONNX_LIMIT = 2**31 - 2**26
# members of a .pt2 archive, below its first folder; compiled code (data/aotinductor) is none of them
_PT2_MEMBER = re.compile(
    r"data/(?:weights|constants)/[\w.-]+|data/sample_inputs/model\.pt|models/model\.json|extra/[\w.-]+"
    r"|archive_format|archive_version|\.data/version|byteorder|\.data/serialization_id"
)
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
        raise InputError(f"{path}: needs {', '.join(missing)}: {extra('export')}")
    return path.suffix


def write_exported(program: ExportedProgram, path: Path, record: WeightsRecord) -> None:
    """Write a program as the suffix says, with its record inside.

    Raises:
        InputError: the suffix, the packages or the network's size do not fit the format.
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
    """An exported network as a function of a batch [B, C, H, W] of fp32 on the CPU, and its record.

    Args:
        path: of the file.
        sha256: of the file, as whoever gave it states. A ``.pt2`` file is not read without, see `check_stated_sha256`;
            an ONNX file is a graph of known operators and needs none.

    Raises:
        InputError: there is no such file, it is damaged, not the one that was stated, or not one that `write_exported`
            wrote; or a ``.pt2`` file of which no SHA-256 is stated.
    """
    suffix = suffix_of(path)
    if not path.is_file():
        raise InputError(f"{path} not found: export a network to it by `python -m meddino_components export`")
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
    except Exception as error:  # each reader has errors of its own, of no common kind
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: no network exported by this project, or a damaged one ({reason})") from error
    return run, record


def check_pt2(path: Path) -> None:
    """Look at the members of a ``.pt2`` archive without reading a pickle.

    Raises:
        InputError: it is no archive of one network with a description as `write_exported` writes it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: no network exported by this project, or a damaged one ({error})") from error
    if strange := [name for name in names if not _PT2_MEMBER.fullmatch(name)]:
        raise InputError(f"{path}: holds {strange[0]!r}, which no network exported by this project does: do not use it")
    if missing := {"models/model.json", RECORD_MEMBER} - set(names):
        raise InputError(f"{path}: no network exported by this project: it has no {min(missing)}")


def _read_pt2(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    module = torch.export.load(path).module()

    def run(slices: torch.Tensor) -> torch.Tensor:
        # the types of its tensors are part of the program
        with torch.no_grad(), torch.autocast(slices.device.type, enabled=False):
            return module(slices)

    return run


def _read_onnx(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())

    def run(slices: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: slices.numpy(force=True)})[0])

    return run
