"""The models of a sweep: encoders by their weights, each with a random twin, and their cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ...checkpoints import RANDOM, backbone_of, intensity_of
from ...data.volumes.stamps import file_stamp
from ...embeddings import FrozenEncoder, frozen_backbone, raw_pixels, with_weights
from ...embeddings.encoders import level_blocks, network_settings
from ...embeddings.prepared_images import PREPARATION
from ...errors import InputError
from ...networks import DinoVisionTransformer

_KEYS = ("name", "weights", "backbone", "random_start", "intensity")


@dataclass(frozen=True, kw_only=True)
class SweepModels:
    """Models to compare, and how they run.

    Attributes:
        models: ``{"weights": source}``, or ``{"weights": "random", "backbone": preset}`` and optionally "random_start"
            (see `backbone_of`); both may have "name" and "intensity".
        device: device on which encoders run and decoders are trained.
        amp: whether to encode in bfloat16.
        seed: seed for random weights, folds and decoders.

    Raises:
        InputError: a model has an unknown key.
    """

    models: Sequence[Mapping[str, Any]]
    device: torch.device | str = "cpu"
    amp: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for model in self.models:
            if unknown := sorted(set(model) - set(_KEYS)):
                raise InputError(f"{dict(model)} of models has {', '.join(unknown)}; known are {', '.join(_KEYS)}")

    def names(self) -> list[str]:
        """Names of the models: as given; otherwise the weights, or the preset if weights are random."""
        return [_name(model) for model in self.models]

    def encoder_and_controls(self, name: str) -> tuple[FrozenEncoder, list[FrozenEncoder]]:
        """The encoder of this name; the same network with random weights, and raw pixels."""
        model = self._model(name)
        encoder = self._encoder(model, name, model.get("weights", RANDOM), seed=self.seed)
        twin = self._encoder(model, "random weights", RANDOM, seed=self.seed + 1)
        return encoder, [twin, raw_pixels(patch_size=encoder.patch_size)]

    def parameters(self, name: str) -> int:
        """Number of the encoder's parameters."""
        with torch.device("meta"):
            return sum(p.numel() for p in _backbone(self._model(name)).parameters())

    def identity(self, name: str) -> dict[str, Any]:
        """Plain data that changes with everything about an encoder and its controls that changes a score.

        Weights are not loaded, so that a finished cell costs nothing: a file is identified by its stamp, weights on the
        Hub by their name alone. If others are uploaded under the same name, delete the cells.
        """
        model = self._model(name)
        with torch.device("meta"):
            backbone = _backbone(model)
        weights = str(model.get("weights", RANDOM))
        return {
            "model": model,
            "network": [network_settings(backbone), level_blocks(backbone)],
            "weights": [] if weights == RANDOM else file_stamp(Path(weights).expanduser()),
            "pixels": raw_pixels(patch_size=backbone.patch_size).digest,
            "preparation": PREPARATION,
            "amp": self.amp,
            "seed": self.seed,
        }

    def _model(self, name: str) -> Mapping[str, Any]:
        return dict(self.models[self.names().index(name)])

    def _encoder(self, model: Mapping[str, Any], name: str, weights: str, *, seed: int) -> FrozenEncoder:
        backbone = with_weights(_backbone(model), weights, device=self.device, seed=seed)
        intensity = intensity_of(weights=weights, stated=model.get("intensity"))
        return frozen_backbone(name, backbone, intensity=intensity, amp=self.amp)


@torch.no_grad()
def encoding_flops(encoder: FrozenEncoder, size_px: int) -> int:
    """FLOPs of encoding one image: matrix products, those of attention included, and convolutions.

    A multiply-add counts as two FLOPs, as in torch. Attention is computed as plain matrix products, since torch counts
    its fused kernels on some devices only and would leave it out on the CPU.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        encoder.encode(torch.zeros(1, 3, size_px, size_px))
    return counter.get_total_flops()


def _backbone(model: Mapping[str, Any]) -> DinoVisionTransformer:
    return backbone_of(
        weights=model.get("weights", RANDOM), name=model.get("backbone"), random_start=model.get("random_start")
    )


def _name(model: Mapping[str, Any]) -> str:
    weights = str(model.get("weights", RANDOM))
    unnamed = model.get("backbone", RANDOM) if weights == RANDOM else weights
    return str(model.get("name", unnamed))
