"""Load encoders from weight files, and title them by file name and iteration."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open

from ..checkpoints import RANDOM, backbone_of, intensity_of, known_encoders, resolve
from ..checkpoints.hub_address import HUB_PREFIX
from ..embeddings import FrozenEncoder, frozen_backbone, with_weights
from ..embeddings.encoders import Intensity
from ..errors import InputError

_SAYS_NOTHING = ("checkpoint", "model", "teacher_checkpoint", "weights")  # names too common to identify a file


def weights_encoder(
    weights: str | Path,
    *,
    backbone: str | None = None,
    like: str | Path | None = None,
    intensity: Intensity | None = None,
    seed: int = 0,
    amp: bool = False,
    device: str | None = None,
) -> FrozenEncoder:
    """Build an encoder with this project's backbone.

    Args:
        weights: weight file of any known format, a known encoder such as ``meddinov3-b``, ``hf://owner/name[/file]``,
            or ``random``.
        backbone: preset for random weights, such as ``vit_small``; other weights determine it themselves.
        like: weights whose architecture is used for random weights if ``backbone`` is None.
        intensity: "scan", or "picture" for weights trained on photographs; None uses the registry's entry, or "scan" if
            it has none.
        seed: seed for random weights.
        amp: encode in bfloat16.
        device: device such as ``cuda``; None uses a GPU if available.

    Raises:
        InputError: the backbone or the intensity is unknown, or the weights are missing or do not fit.
    """
    template = like if like and str(weights) == RANDOM and backbone is None else weights
    chosen = intensity_of(weights=str(template), stated=intensity)
    with torch.random.fork_rng(devices=[]):  # building a network draws random numbers, even if weights replace them
        network = backbone_of(weights=template, name=backbone)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with_weights(network, str(weights), device=place, seed=seed)
    size = backbone or ("same architecture" if like else "vit_base")
    title = f"random weights ({size}, seed {seed})" if weights == RANDOM else weights_title(weights)
    return frozen_backbone(title, network, intensity=chosen, amp=amp)


def weights_title(weights: str | Path) -> str:
    """Return the file's name without suffix, and the iteration from its metadata or name."""
    text = str(weights)
    if text.startswith(HUB_PREFIX) or (text in known_encoders() and not Path(text).exists()):
        return text.removeprefix(HUB_PREFIX)
    path = Path(text)
    name = f"{path.parent.name}/{path.stem}" if path.stem in _SAYS_NOTHING else path.stem
    iteration = None
    if path.suffix == ".safetensors":
        with safe_open(resolve(path), "pt") as file:
            iteration = (file.metadata() or {}).get("iteration")
    # only numbers after these words: the 16 of vitb16 is not an iteration
    told = re.search(r"(?:(?<=teacher)|(?<=iter)|(?<=iteration)|(?<=step)|(?<=training))[._-]?0*(\d+)", name)
    if told and iteration in (None, told[1]):
        name, iteration = name.replace(told[0], ""), told[1]
    return name if iteration is None else f"{name}, iteration {int(iteration):,}"


def list_weights(weights: str | Path | Sequence[str | Path]) -> list[str]:
    """Return weight files in the order given: a list, or names and glob patterns separated by commas.

    The files that match a pattern are sorted by the numbers in their names.

    Raises:
        InputError: the list is empty, or no file matches a pattern.
    """
    parts = weights.strip("[] ").split(",") if isinstance(weights, str) else _as_list(weights)
    found: list[str] = []
    for part in (p.strip().strip("'\"") for p in parts):
        if not glob.has_magic(part) or Path(part).exists():
            found += [part] if part else []
            continue
        files = [path for path in glob.glob(part) if not path.endswith(".sha256")]
        if not files:
            raise InputError(f"{part}: no file matches. Give weight files, or a pattern such as 'run/*.pth'")
        found += sorted(files, key=_by_numbers)
    if not found:
        raise InputError("no weights given. List weight files in drawing order, hf://owner/name, or random")
    return found


def _as_list(weights: Path | Sequence[str | Path]) -> list[str]:
    return [str(weights)] if isinstance(weights, Path) else [str(one) for one in weights]


def _by_numbers(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
