"""Separate a backbone's arguments into those that describe the network and those that belong to the run."""

from __future__ import annotations

import inspect
from typing import Any

from .vision_transformer import DinoVisionTransformer

# arguments of a run: what training drops, augments or recomputes
RUN_ARGUMENTS = (
    "drop_path_rate",
    "drop_path_rounding",
    "activation_checkpointing",
    "pos_embed_rope_shift_coords",
    "pos_embed_rope_jitter_coords",
    "pos_embed_rope_rescale_coords",
)
_ALL: dict[str, Any] = {
    name: parameter.default for name, parameter in inspect.signature(DinoVisionTransformer).parameters.items()
}
# arguments of the network: changing one of these changes the features
ARCHITECTURE_DEFAULTS = {name: default for name, default in _ALL.items() if name not in RUN_ARGUMENTS}
ARCHITECTURE_ARGUMENTS = tuple(ARCHITECTURE_DEFAULTS)
