"""Which precision a device computes in."""

import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.inference import AutocastInferer, autocast, autocast_dtype, supports_low_precision


@pytest.mark.parametrize(
    ("capability", "bf16", "low", "on"),
    [((8, 0), True, True, torch.bfloat16), ((7, 0), False, True, torch.float16), ((6, 1), False, False, torch.float16)],
    ids=["A100", "V100", "P100"],
)
def test_old_gpus_take_fp16_where_they_multiply_it_fast(monkeypatch, capability, bf16, low, on):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert supports_low_precision("cuda") == low
    assert autocast_dtype("cuda", True) == on
    assert autocast_dtype("cuda", False) is None


@pytest.mark.parametrize("supported", [True, False])
def test_a_cpu_takes_bf16(monkeypatch, supported):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    assert supports_low_precision("cpu") == supported
    assert autocast_dtype("cpu", True) == torch.bfloat16


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_precision_that_is_named_is_taken(device):
    assert [autocast_dtype(device, amp) for amp in ("bf16", "fp16")] == [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("amp", ["float16", "on", 16, None])
def test_another_word_is_refused(amp):
    with pytest.raises(InputError, match=f"amp is {amp!r}; expected True, False, bf16 or fp16"):
        autocast_dtype("cpu", amp)


@pytest.mark.parametrize("amp", [True, False, "bf16", "fp16"])
def test_the_inferer_computes_in_it_and_gives_fp32(amp):
    seen = []

    def network(images):
        seen.append((images @ images.mT).dtype)
        return [images.to(seen[-1])]

    (logits,) = AutocastInferer(amp=amp)(torch.ones(1, 1, 2, 2), network)
    assert logits.dtype == torch.float32
    assert seen == [autocast.autocast_dtype("cpu", amp) or torch.float32]
