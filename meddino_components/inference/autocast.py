"""Compute in low precision on devices that support it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from ..errors import InputError

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def supports_bfloat16(device: torch.device | str) -> bool:
    """Return whether the device multiplies bf16 matrices in hardware; emulation would be slower than fp32."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.device(device).type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def supports_low_precision(device: torch.device | str) -> bool:
    """Return whether the device multiplies bf16 in hardware, or is a GPU with fast fp16: V100, T4, RTX 20."""
    if torch.device(device).type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):
        return True
    return supports_bfloat16(device)


def autocast_dtype(device: torch.device | str, amp: bool | str) -> torch.dtype | None:
    """Return the precision for autocast on a device; None disables autocast.

    Args:
        device: CPU or CUDA device.
        amp: precision to use: False, ``bf16``, ``fp16``, or True for bf16, but fp16 on a GPU without bf16.

    Raises:
        InputError: the value is another one.
    """
    if amp is False or amp is True:
        without_bf16 = torch.device(device).type == "cuda" and not supports_bfloat16(device)
        return (torch.float16 if without_bf16 else torch.bfloat16) if amp else None
    if amp not in _DTYPES:
        raise InputError(f"amp is {amp!r}; expected True, False, bf16 or fp16")
    return _DTYPES[amp]


class AutocastInferer(Inferer):
    """Run a network under autocast and return fp32 logits, or a list of them from a deeply supervised network.

    MONAI's engines autocast only on CUDA, and with a gradient scaler, which bf16 does not need.

    Args:
        amp: whether and how to compute in low precision, see `autocast_dtype`; otherwise in the inputs' precision.
    """

    def __init__(self, *, amp: bool | str) -> None:
        self.amp = amp

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        dtype = autocast_dtype(inputs.device, self.amp)
        with torch.autocast(inputs.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            logits = network(inputs, *args, **kwargs)
        return [level.float() for level in logits] if isinstance(logits, list | tuple) else logits.float()


@contextmanager
def computing(network: object, device: torch.device, amp: bool | str) -> Iterator[None]:
    """Compute without gradients, and let autocast keep the weights in low precision until the end.

    torch 2.13 keeps them only without inference_mode and only for parameters that require gradients; otherwise each
    batch converts all weights again.

    Args:
        network: network that will compute.
        device: device of its parameters.
        amp: whether and how to compute in low precision, see `autocast_dtype`.
    """
    dtype = autocast_dtype(device, amp)
    with (
        torch.no_grad(),
        _requiring_gradients(network, active=dtype is not None),
        torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None),
    ):
        yield


@contextmanager
def _requiring_gradients(network: object, *, active: bool) -> Iterator[None]:
    """Let autocast also cache frozen parameters."""
    parameters: Iterable[torch.nn.Parameter] = getattr(network, "parameters", list)() if active else []
    frozen = [p for p in parameters if not p.requires_grad and p.is_floating_point()]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
