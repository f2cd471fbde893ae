"""Read a weight file without running code from it."""

import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.utils import pytorch_after
from safetensors import SafetensorError
from safetensors.torch import load_file

from meddino_components.errors import InputError

from .wrappers import WHOLE

# nnU-Net keeps its best score as a numpy scalar beside the weights; these build numbers and can do nothing else.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_NUMPY_SCALARS: list[Any] = [
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),  # its name before numpy 2
    np.dtype,
    *(type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8", "b1")),
]

# the first release of torch whose `weights_only` cannot be got round
_WITHOUT_HOLE = (2, 10)


def read_payload(path: str | os.PathLike[str]) -> Any:
    """Return what a safetensors, ``.pth`` or ``.pt`` file holds, on the CPU.

    The kind is told from the file's first bytes. Pickles are read with ``weights_only=True``, always.

    Raises:
        InputError: the file is empty, damaged, a git-LFS pointer, of another kind, or a pickle that could run code.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
        _check_head(path, head)
        if path.suffix == ".safetensors" or head[8:9] == b"{":
            return load_file(path)
        _warn_of_a_hole(path)
        # memory-mapping leaves the optimiser's tensors of a training checkpoint on disk
        with torch.serialization.safe_globals(_NUMPY_SCALARS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise _pickle_error(path, error) from error
    except InputError:
        raise
    # what torch and safetensors raise for bytes that they cannot make sense of
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0].split(". ")[0]  # torch adds advice on weights_only=False
        raise InputError(
            f"{path}: cannot be read as safetensors or as a PyTorch checkpoint ({reason}); "
            "it may be cut short or of another kind: copy or download it again"
        ) from error


def _warn_of_a_hole(path: Path) -> None:
    if not pytorch_after(*_WITHOUT_HOLE, current_ver_string=str(torch.__version__)):
        warnings.warn(
            f"{path}: torch {torch.__version__} can be made to run code by such a file (CVE-2026-24747). Update torch "
            f"to {'.'.join(map(str, _WITHOUT_HOLE))}, or take .safetensors from those whom you do not trust",
            stacklevel=3,
        )


def _check_head(path: Path, head: bytes) -> None:
    if not head:
        raise InputError(f"{path}: is empty (0 bytes); copy or download it again")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: is a git-LFS pointer, not the weights; fetch them with: git lfs pull")


def _pickle_error(path: Path, error: pickle.UnpicklingError) -> InputError:
    """Tell a pickle that names code from bytes that are no pickle."""
    text = str(error)
    if "Unsupported operand" in text:
        return InputError(f"{path}: is no PyTorch checkpoint and no safetensors file; copy or download it again")
    named = re.search(r"(?:GLOBAL|function|class) ([\w.<>]+)", text)
    if named and named[1].startswith("torch.distributed."):
        return InputError(f"{path}: holds parts of tensors, as FSDP keeps them ({named[1]}): {WHOLE}")
    return InputError(
        f"{path}: refused, because it holds Python objects, which can run code when they are read "
        f"({named[1] if named else 'of an unknown class'}). Weights are read with weights_only=True, always: ask their "
        "author for a safetensors file or for a checkpoint of tensors and plain values only"
    )
