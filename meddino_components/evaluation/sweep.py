"""Model sizes x resolutions x image sets: every cell once, then tables and plots of all of them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from ..atomic_files import AtomicFiles
from ..data.image_sets import ImageSet, read_image_set
from ..embeddings import FrozenEncoder, frozen_backbone, raw_pixels, with_weights
from ..errors import InputError
from ..networks import DinoVisionTransformer, vit_backbone
from .classification import evaluate_classification
from .sweep_report import Cell, write_sweep

logger = logging.getLogger(__name__)

# of a model in the configuration, beside overrides of `vit_backbone`
_OWN_KEYS = ("name", "backbone", "weights", "intensity")


def run_sweep(
    *,
    models: Sequence[Mapping[str, Any]],
    sizes_px: Sequence[int],
    image_sets: Mapping[str, Mapping[str, Any]],
    output_dir: str | Path,
    cache_dir: str | Path,
    device: torch.device | str = "cpu",
    amp: bool = False,
    seed: int = 0,
    progress: bool = True,
    **settings: Any,
) -> list[Cell]:
    """Score every model at every size on every set, beside random weights of its size and raw pixels.

    A cell is a folder below ``output_dir/cells``; its file of scores is written last, so that a sweep that was killed
    does not compute a finished cell again. A cell is computed anew where its model, weights, set or settings changed.

    Args:
        models: ``{"backbone": preset, "weights": source or "random"}`` and, where wanted, "name", "intensity" and
            overrides of `vit_backbone`.
        sizes_px: sides of the images, multiples of the patch size.
        image_sets: name to ``{"root", "layout", "options"}``, see `read_image_set`.
        output_dir: gets ``sweep.csv``, ``.md``, ``.tex`` and a ``sweep_<set>.png`` each.
        cache_dir: of embeddings.
        device: where encoders run and attention is trained.
        amp: encode in bfloat16.
        seed: of random weights, probes and bootstrap.
        progress: show bars.
        settings: others of `evaluate_classification`.

    Returns:
        the cells, in the order of sets, models and sizes.

    Raises:
        InputError: nothing to sweep, names that recur, or see `evaluate_classification`.
    """
    named = {str(model.get("name", model.get("backbone", "?"))): dict(model) for model in models}
    if not (models and sizes_px and image_sets) or len(named) < len(models):
        raise InputError(
            f"{len(models)} models ({', '.join(named)}), {len(sizes_px)} sizes and {len(image_sets)} image sets; "
            "expected at least one of each, and a name of its own for each model"
        )
    folder = Path(output_dir)
    asked = {"amp": amp, "seed": seed, **settings}

    # one of each at a time, and only where a cell is not finished
    @lru_cache(maxsize=1)
    def image_set(name: str) -> ImageSet:
        return read_image_set(**image_sets[name])

    @lru_cache(maxsize=1)
    def encoder_and_twin(name: str) -> tuple[FrozenEncoder, FrozenEncoder]:
        weights = named[name].get("weights", "random")
        return (
            _encoder(name, weights, named[name], device, amp, seed),
            _encoder("random weights", "random", named[name], device, amp, seed + 1),
        )

    def compute(set_name: str, model_name: str, size_px: int, place: Path) -> Cell:
        encoder, random_twin = encoder_and_twin(model_name)
        rows = evaluate_classification(
            image_set=image_set(set_name),
            encoders=[encoder],
            controls=[random_twin, raw_pixels(patch_size=encoder.patch_size)],
            size_px=size_px,
            cache_dir=cache_dir,
            output_dir=place,
            seed=seed,
            device=device,
            progress=progress,
            **settings,
        )
        return Cell(
            image_set=set_name,
            model=model_name,
            size_px=size_px,
            parameters=_parameters(named[model_name]),
            flops=_flops(encoder, size_px),
            rows=tuple(rows),
        )

    cells = []
    numbers = list(product(image_sets, named, sizes_px))
    for set_name, model_name, size_px in (bar := tqdm(numbers, unit="cell", disable=not progress)):
        bar.set_description(f"{set_name}, {model_name}, {size_px} px")
        place = folder / "cells" / f"{set_name}__{model_name}__{size_px}".replace("/", "_")
        identity = _identity(named[model_name], image_sets[set_name], size_px, asked)
        if (cell := _finished(place, identity)) is None:
            cell = compute(set_name, model_name, size_px, place)
            _finish(place, identity, cell)
        cells.append(cell)
    write_sweep(folder, cells)
    logger.info("%d cells; tables and plots in %s", len(cells), folder)
    return cells


def _encoder(
    name: str, weights: str, model: Mapping[str, Any], device: torch.device | str, amp: bool, seed: int
) -> FrozenEncoder:
    backbone = with_weights(_backbone(model), weights, device=device, seed=seed)
    return frozen_backbone(name, backbone, intensity=model.get("intensity", "scan"), amp=amp)


def _backbone(model: Mapping[str, Any]) -> DinoVisionTransformer:
    return vit_backbone(model["backbone"], **{key: value for key, value in model.items() if key not in _OWN_KEYS})


def _parameters(model: Mapping[str, Any]) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in _backbone(model).parameters())


@torch.no_grad()
def _flops(encoder: FrozenEncoder, size_px: int) -> int:
    """Of one image: matrix products and convolutions, two a multiply-add, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        encoder.encode(torch.zeros(1, 3, size_px, size_px))
    return counter.get_total_flops()


def _identity(model: Mapping[str, Any], source: Mapping[str, Any], size_px: int, settings: Mapping[str, Any]) -> str:
    """Changes with everything that is asked for, and with the files that are named."""
    files = [Path(str(path)) for path in (model.get("weights", ""), source.get("root", ""))]
    stamps = [(path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None for path in files]
    asked = {"model": dict(model), "source": dict(source), "size_px": size_px, "settings": dict(settings)}
    return hashlib.sha256(json.dumps([asked, stamps], sort_keys=True, default=str).encode()).hexdigest()


def _finished(place: Path, identity: str) -> Cell | None:
    path = place / "cell.json"
    if not path.is_file():
        return None
    written = json.loads(path.read_text(encoding="utf-8"))
    return Cell.from_data(written["cell"]) if written["identity"] == identity else None


def _finish(place: Path, identity: str, cell: Cell) -> None:
    with AtomicFiles() as files:
        text = json.dumps({"identity": identity, "cell": cell.as_data()}, indent=2)
        files.path(place / "cell.json").write_text(text + "\n", encoding="utf-8")
