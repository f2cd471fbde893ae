"""bf16 where a device computes in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor


def supports_bfloat16(device: torch.device | str) -> bool:
    """True if the device multiplies bf16 matrices in hardware; emulation would be slower than fp32."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.device(device).type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


class AutocastInferer(Inferer):
    """Run a network under bf16 autocast and return fp32 logits, or a list of them from a deeply supervised network.

    MONAI's engines autocast on CUDA alone and with a gradient scaler, which bf16 does not need.

    Args:
        amp: compute in bf16; otherwise in the inputs' precision.
    """

    def __init__(self, *, amp: bool) -> None:
        self.amp = amp

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.amp):
            logits = network(inputs, *args, **kwargs)
        return [level.float() for level in logits] if isinstance(logits, list | tuple) else logits.float()
