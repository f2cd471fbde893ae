"""Training of a decoder on cached maps of a frozen encoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from ...errors import InputError
from ...losses import DiceCrossEntropyLoss
from ...networks.map_decoders import MapDecoder
from .decoders import Decoder
from .map_crops import MapCrops, MappedCase


@dataclass(frozen=True, kw_only=True)
class DecoderTraining:
    """Settings for training decoders on frozen maps, and how they are found again.

    Dice and cross-entropy, AdamW at 1e-4 and the cosine schedule are published, the rest is not. Nothing is augmented,
    since maps cannot be rotated or scaled as images can.

    Attributes:
        iterations: number of steps; the learning rate falls to 0 along half a cosine.
        learning_rate: initial learning rate of AdamW.
        weight_decay: weight decay of AdamW.
        slices_per_batch: number of slices in a step.
        depth: number of slices in a crop.
        foreground_fraction: share of crops that are drawn to contain a class.
        seed: seed for the initial weights and the crops.
        device: device on which decoders are trained.
        amp: whether a GPU multiplies in bfloat16; CPUs use fp32.

    Raises:
        InputError: a count is below 1, the learning rate 0 or less, the weight decay below 0, or the share not in 0..1.

    Reference: arXiv 2509.06467, 3D segmentation.
    """

    iterations: int = 5000
    learning_rate: float = 1e-4
    weight_decay: float = 1e-2
    slices_per_batch: int = 32
    depth: int = 16
    foreground_fraction: float = 0.5
    seed: int = 0
    device: torch.device | str = "cpu"
    amp: bool = False

    def __post_init__(self) -> None:
        expected = {
            name: ("1 or more", getattr(self, name) >= 1) for name in ("iterations", "slices_per_batch", "depth")
        }
        expected["learning_rate"] = ("above 0", self.learning_rate > 0)
        expected["weight_decay"] = ("0 or more", self.weight_decay >= 0)
        expected["foreground_fraction"] = ("0 to 1", 0 <= self.foreground_fraction <= 1)
        # `not`, so that NaN does not pass
        if wrong := [
            f"{k} is {getattr(self, k)}, expected {text}" for k, (text, holds) in expected.items() if not holds
        ]:
            raise InputError(f"training of decoders: {'; '.join(wrong)}")

    @property
    def in_bfloat16(self) -> bool:
        """Whether decoders multiply in bfloat16.

        With AMX, the backward pass of a 1 x 1 x 1 convolution in bfloat16 writes beyond its memory (oneDNN of torch
        2.13): on the CPU decoders use fp32.
        """
        return self.amp and torch.device(self.device).type == "cuda"

    def identity(self) -> dict[str, Any]:
        """Plain data that changes with every setting that affects a trained decoder."""
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "device"}
        return {**settings, "amp": self.in_bfloat16}


def train_decoder(
    settings: Decoder,
    cases: Sequence[MappedCase],
    *,
    training: DecoderTraining,
    n_classes: int,
    patch_size: int,
    on_step: Callable[[float], None],
) -> MapDecoder:
    """Train a decoder and return it in evaluation mode, on the device of its training.

    Global random states are not touched.

    Args:
        settings: settings of the decoder.
        cases: training cases.
        training: settings of the training.
        n_classes: number of classes.
        patch_size: patch size of the encoder.
        on_step: called with the loss after each step.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    _, n_levels, _, width = cases[0].maps().shape
    last_levels = settings.levels_read(n_levels)
    with torch.random.fork_rng(devices=[]):
        # the CPU's generator only: those of GPUs keep their states
        torch.default_generator.manual_seed(training.seed)
        decoder = settings.build(
            in_channels=width, num_levels=last_levels, num_classes=n_classes, patch_size=patch_size
        )
    device = torch.device(training.device)
    decoder.to(device).train()
    crops = MapCrops(
        cases,
        n_classes=n_classes,
        slices_per_batch=training.slices_per_batch,
        depth=training.depth,
        foreground_fraction=training.foreground_fraction,
        seed=training.seed,
        last_levels=last_levels,
    )
    loss_function = DiceCrossEntropyLoss(num_classes=n_classes)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    schedule = CosineAnnealingLR(optimizer, training.iterations)
    for maps, labels in _read_ahead(crops, training.iterations):
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=training.in_bfloat16):
            logits = decoder(maps.to(device).float())
        loss = loss_function(logits, labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(
                f"decoder {settings.name}: the loss is {value}; lower the learning rate, or set amp to false"
            )
        on_step(value)
    return decoder.eval()


def _read_ahead(crops: MapCrops, n: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches in order, each read while the previous one is used. MONAI's ThreadBuffer would lose errors of reading."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(crops.batch, 0)
        for number in range(1, n + 1):
            batch = ahead.result()
            if number < n:
                ahead = reader.submit(crops.batch, number)
            yield batch
