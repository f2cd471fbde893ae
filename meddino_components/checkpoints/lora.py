r"""Merge LoRA adapters in a weight file, or refuse them if the file does not state all that merging needs.

With A [r, in] and B [out, r] next to a layer's weight W, the trained layer is

.. math:: W + \frac{\alpha}{r} B A

and :math:`\alpha / \sqrt{r}` with rank-stabilised LoRA. No tensor holds alpha; peft writes it to
``adapter_config.json``.

Reference: Hu et al., LoRA, arXiv 2106.09685; Kalajdzievski, arXiv 2312.03732.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from meddino_components.errors import InputError

from ..wording import counted

CONFIG_NAME = "adapter_config.json"
# `qkv.lora_A.default.weight` of peft, `qkv.lora_A.weight` of its adapter files, `qkv.lora_A` of loralib
_PART = re.compile(r"(?P<layer>.+)\.lora_(?P<part>[AB])(?:\.(?P<adapter>\w+))??(?:\.weight)?")
_OF_PEFT = ("base_model.model.", "base_model.")
_HOW_TO_MERGE = "merge it into the network (peft: model.merge_and_unload()), save its state_dict, and give that file"
# settings of peft that change the formula above
_OTHERWISE = ("use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern", "lora_bias")


def read_adapter_config(path: Path) -> Mapping[str, Any] | None:
    """Read the configuration that peft wrote next to a file of weights; None if it is missing or unreadable."""
    try:
        content = json.loads(path.with_name(CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def merge_adapters(
    tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any] | None, *, source: str
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Merge adapters into their layers; return the tensors without adapters, and what was done.

    Args:
        tensors: tensors of one network; returned unchanged if there are no adapters.
        config: settings with ``lora_alpha`` and ``r``, as in peft's ``adapter_config.json``.
        source: path of the file, for messages.

    Raises:
        InputError: the trained layers cannot be computed from the file; the message says how to merge them.
    """
    if not any("lora_" in name for name in tensors):
        return dict(tensors), []
    parts: dict[str, dict[str, torch.Tensor]] = {}
    adapters = set()
    rest: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if match := _PART.fullmatch(name):
            parts.setdefault(_plain(match["layer"]), {})[match["part"]] = tensor
            adapters.add(match["adapter"])
        elif "lora_" in name:
            raise InputError(f"{source}: holds {name}, an unsupported kind of adapter: {_HOW_TO_MERGE}")
        elif ".original_module." not in name:
            rest[_plain(name)] = tensor
    if len(adapters) > 1:
        raise InputError(f"{source}: holds several LoRA adapters: choose one and {_HOW_TO_MERGE}")
    if not any(f"{layer}.weight" in rest for layer in parts):
        raise InputError(
            f"{source}: contains a LoRA adapter of {counted(len(parts), 'layer')} without the network it was trained "
            f"on: load both, {_HOW_TO_MERGE}"
        )
    scale = _scale(config, parts, source)
    for layer, pair in parts.items():
        rest[f"{layer}.weight"] = _merged(rest.get(f"{layer}.weight"), pair, scale, f"{source}: {layer}")
    return rest, [f"LoRA adapters of {counted(len(parts), 'layer')} merged, scaled by {scale:g}"]


def _plain(name: str) -> str:
    for prefix in _OF_PEFT:
        name = name.removeprefix(prefix)
    return re.sub(r"\.modules_to_save\.\w+\.", ".", name).replace(".base_layer.", ".")


def _scale(config: Mapping[str, Any] | None, parts: Mapping[str, Mapping[str, torch.Tensor]], source: str) -> float:
    stated = config or {}
    ranks = {pair["A"].shape[0] for pair in parts.values() if "A" in pair}
    alpha, rank = stated.get("lora_alpha"), stated.get("r")
    if not isinstance(alpha, (int, float)) or not isinstance(rank, int) or not alpha > 0 or ranks != {rank}:
        raise InputError(
            f"{source}: contains LoRA adapters of {counted(len(parts), 'layer')} (rank "
            f"{', '.join(map(str, sorted(ranks)))}), but no {CONFIG_NAME} next to it gives lora_alpha and that rank: "
            f"add that file, or {_HOW_TO_MERGE}"
        )
    if other := [name for name in _OTHERWISE if stated.get(name)]:
        raise InputError(
            f"{source}: its {CONFIG_NAME} sets {', '.join(other)}, which cannot be merged here: {_HOW_TO_MERGE}"
        )
    return alpha / (math.sqrt(rank) if stated.get("use_rslora") else rank)


def _merged(weight: torch.Tensor | None, pair: Mapping[str, torch.Tensor], scale: float, where: str) -> torch.Tensor:
    down, up = pair.get("A"), pair.get("B")
    if weight is not None and down is not None and up is not None and weight.ndim == down.ndim == up.ndim == 2:
        fits = (up.shape[0], down.shape[1]) == tuple(weight.shape) and up.shape[1] == down.shape[0]
        if fits:
            return (weight.double() + scale * up.double() @ down.double()).to(weight.dtype)
    raise InputError(f"{where}: its LoRA matrices do not match its weight, or one is missing: {_HOW_TO_MERGE}")
