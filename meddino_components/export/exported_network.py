"""Use an exported file in place of the original network."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import sha256_of
from .formats import read_exported


class ExportedNetwork(nn.Module):
    """Run a ``.onnx`` or ``.pt2`` file written by `export` as a bundle's network.

    It computes in fp32 on the CPU, unless onnxruntime was built for other devices.

    Args:
        source: path of the file.
        sha256: SHA-256 of the file as its user states it; required for ``.pt2``, see `read_exported`.

    Shape: [B, C, H, W] -> [B, K, H, W] on the device of the input.

    Raises:
        InputError: the file is missing, damaged, has another SHA-256, or needs a package that is not installed.
        ValueError: at the call, the network does not accept the input.
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
                f"the exported network expects [B, {channels}, H, W] with H and W multiples of {multiple}, "
                f"got {list(x.shape)}"
            )
        return self._run(x.to("cpu", torch.float32).contiguous()).to(x.device)
