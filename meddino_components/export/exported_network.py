"""An exported file in the place of the network it was made from."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import sha256_of
from .formats import read_exported


class ExportedNetwork(nn.Module):
    """Run a ``.onnx`` or ``.pt2`` file of `export` as a network of a bundle.

    It computes in fp32 and, but for an onnxruntime that was built for other devices, on the CPU.

    Args:
        source: the file.
        sha256: of the file, stated by its user; needed for ``.pt2``, see `read_exported`.

    Shape: [B, C, H, W] -> [B, K, H, W] on the device of the input.

    Raises:
        InputError: the file is missing, damaged, not the one that was stated, or needs a package that is not installed.
        ValueError: an input that the network does not take, at the call.
    """

    def __init__(self, *, source: str | os.PathLike[str], sha256: str | None = None) -> None:
        super().__init__()
        path = Path(source)
        # not a submodule: an exported program refuses train() and eval()
        self._run, self.record = read_exported(path, sha256)
        takes = (self.record.export or {})["input"]
        self._channels, self._multiple = int(takes["channels"]), int(takes["multiple_of_px"])
        self.sha256 = sha256_of(path)

    def forward(self, x: Tensor) -> Tensor:
        channels, multiple = self._channels, self._multiple
        if x.ndim != 4 or x.shape[1] != channels or x.shape[2] % multiple or x.shape[3] % multiple:
            raise ValueError(
                f"the exported network takes [B, {channels}, H, W] with H and W multiples of {multiple}, "
                f"got {list(x.shape)}"
            )
        return self._run(x.to("cpu", torch.float32).contiguous()).to(x.device)
