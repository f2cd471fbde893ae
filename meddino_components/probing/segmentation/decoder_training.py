"""A decoder trained on cached maps of an encoder that stays as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from ...errors import InputError
from ...losses import DiceCrossEntropyLoss
from ...networks.map_decoders import DecoderName, MapDecoder, levels_read, map_decoder
from .map_crops import MapCrops, MappedCase


@dataclass(frozen=True, kw_only=True)
class DecoderTraining:
    """How decoders are trained; Dice and cross-entropy, AdamW at 1e-4 and the cosine are published, the rest is not.

    Maps cannot be turned or scaled as images can, so nothing is augmented.

    Attributes:
        iterations: steps; the learning rate falls to 0 along half a cosine.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        slices_per_batch: slices of a step.
        depth: slices of a crop.
        foreground_fraction: share of crops drawn for a class.

    Raises:
        InputError: a count below 1, a learning rate of 0 or less, a weight decay below 0, or a share beyond 0..1.

    Reference: arXiv 2509.06467, 3D segmentation.
    """

    iterations: int = 5000
    learning_rate: float = 1e-4
    weight_decay: float = 1e-2
    slices_per_batch: int = 32
    depth: int = 16
    foreground_fraction: float = 0.5

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


def train_decoder(
    name: DecoderName,
    cases: Sequence[MappedCase],
    *,
    training: DecoderTraining,
    n_classes: int,
    patch_size: int,
    device: torch.device | str,
    amp: bool,
    seed: int,
    on_step: Callable[[float], None],
) -> MapDecoder:
    """A trained decoder in evaluation mode.

    Args:
        name: see `map_decoder`.
        cases: to learn from.
        training: the recipe.
        n_classes: K.
        patch_size: of the encoder.
        device: where it is trained and stays.
        amp: multiply in bfloat16.
        seed: of the first weights and the crops; the global random states are not touched.
        on_step: gets the loss after each step.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    _, n_levels, _, width = cases[0].maps().shape
    last_levels = levels_read(name, n_levels)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # of the CPU alone: that of a GPU stays as it is
        decoder = map_decoder(
            name, in_channels=width, num_levels=last_levels, num_classes=n_classes, patch_size=patch_size
        )
    device = torch.device(device)
    decoder.to(device).train()
    crops = MapCrops(
        cases,
        n_classes=n_classes,
        slices_per_batch=training.slices_per_batch,
        depth=training.depth,
        foreground_fraction=training.foreground_fraction,
        seed=seed,
        last_levels=last_levels,
    )
    loss_function = DiceCrossEntropyLoss(num_classes=n_classes)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    schedule = CosineAnnealingLR(optimizer, training.iterations)
    for maps, labels in _read_ahead(crops, training.iterations):
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp):
            logits = decoder(maps.to(device).float())
        loss = loss_function(logits, labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(
                f"decoder {name}: the loss is {value}; lower the learning rate, or set amp to false"
            )
        on_step(value)
    return decoder.eval()


def _read_ahead(crops: MapCrops, n: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches in order; each is read while the one before is computed. MONAI's ThreadBuffer would lose its errors."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(crops.batch, 0)
        for number in range(1, n + 1):
            batch = ahead.result()
            if number < n:
                ahead = reader.submit(crops.batch, number)
            yield batch
