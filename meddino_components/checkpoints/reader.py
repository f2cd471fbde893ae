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

# nnU-Net stores its best score as a numpy scalar with the weights; these classes only build numbers.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_NUMPY_SCALARS: list[Any] = [
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),  # its name before numpy 2
    np.dtype,
    *(type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8", "b1")),
]

# first release of torch whose `weights_only` cannot be bypassed
_WITHOUT_HOLE = (2, 10)


def read_payload(path: str | os.PathLike[str]) -> Any:
    """Return the content of a safetensors, ``.pth`` or ``.pt`` file, on the CPU.

    The file's first bytes decide its kind. Pickles are always read with ``weights_only=True``.

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
    # torch and safetensors raise these for bytes that they cannot interpret
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0].split(". ")[0]  # torch adds advice on weights_only=False
        raise InputError(
            f"{path}: cannot be read as safetensors or as a PyTorch checkpoint ({reason}); "
            "it may be truncated or of another kind: copy or download it again"
        ) from error


def _warn_of_a_hole(path: Path) -> None:
    if not pytorch_after(*_WITHOUT_HOLE, current_ver_string=str(torch.__version__)):
        warnings.warn(
            f"{path}: torch {torch.__version__} can run code when it reads such a file (CVE-2026-24747). Update torch "
            f"to {'.'.join(map(str, _WITHOUT_HOLE))}, or accept only .safetensors from sources you do not trust",
            stacklevel=3,
        )


def _check_head(path: Path, head: bytes) -> None:
    if not head:
        raise InputError(f"{path}: is empty (0 bytes); copy or download it again")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: is a Git LFS pointer, not the weights; download them with: git lfs pull")


def _pickle_error(path: Path, error: pickle.UnpicklingError) -> InputError:
    """Distinguish a pickle that refers to code from bytes that are no pickle."""
    text = str(error)
    if "Unsupported operand" in text:
        return InputError(f"{path}: is neither a PyTorch checkpoint nor a safetensors file; copy or download it again")
    named = re.search(r"(?:GLOBAL|function|class) ([\w.<>]+)", text)
    if named and named[1].startswith("torch.distributed."):
        return InputError(f"{path}: holds sharded tensors of FSDP ({named[1]}): {WHOLE}")
    return InputError(
        f"{path}: refused, as it holds Python objects, which can run code when they are read "
        f"({named[1] if named else 'of an unknown class'}). Weights are always read with weights_only=True: ask their "
        f"author for a safetensors file or for a checkpoint that holds only tensors and plain values"
    )
