"""Model sizes x resolutions x sets of images: every cell once, then tables and plots of all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from ...checkpoints import RANDOM, backbone_of, intensity_of
from ...data.volumes.stamps import file_stamp
from ...embeddings import FrozenEncoder, frozen_backbone, raw_pixels, with_weights
from ...embeddings.encoders import level_blocks, network_settings
from ...embeddings.prepared_images import PREPARATION
from ...errors import InputError
from ...files import OutputFolder, writes_results
from ...interruption import ends_on_signal
from ...networks import DinoVisionTransformer
from ...pictures.blank_figure import require_matplotlib
from ..finished_cells import cell_folder, cell_identity, finish_cell, finished_cell
from ..image_sets.evaluate import evaluate_classification
from .report import Cell, plot_name, write_sweep
from .tasks import SweepTask, classification_task, segmentation_task

logger = logging.getLogger(__name__)

# of a model in the configuration
_MODEL_KEYS = ("name", "weights", "backbone", "random_start", "intensity")


@ends_on_signal("finished cells stay, the same command goes on with the others")
@writes_results("sweep.csv", "sweep.md", "sweep.tex")
def run_sweep(
    *,
    models: Sequence[Mapping[str, Any]],
    sizes_px: Sequence[int],
    image_sets: Mapping[str, Mapping[str, Any]] | None = None,
    segmentation_sets: Mapping[str, Mapping[str, Any]] | None = None,
    output_dir: str | Path,
    cache_dir: str | Path,
    batch_size: int = 32,
    num_workers: int = 0,
    device: torch.device | str = "cpu",
    amp: bool = False,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: bool = True,
    **settings: Any,
) -> list[Cell]:
    """Score every model at every size on every set, beside random weights of its size and raw pixels.

    A cell is a folder below ``output_dir/cells``; its file of scores is written last, so that a sweep that was killed
    does not compute a finished cell again. A cell is computed anew where its model, weights, settings, images or labels
    changed; weights on the hub count by their name alone.

    Args:
        models: ``{"weights": source}``, or ``{"weights": "random", "backbone": preset}`` and, where wanted,
            "random_start" (see `backbone_of`); "name" and "intensity" of either.
        sizes_px: sides of the images, multiples of the patch size.
        image_sets: name to ``{"root", "layout", "options"}``, see `read_image_set`.
        segmentation_sets: name to ``{"dataset_dir", "layout", ...}``, see `segmentation_task`.
        output_dir: gets ``sweep.csv``, ``.md``, ``.tex`` and a ``sweep_<set>.png`` each.
        cache_dir: of embeddings.
        batch_size: images encoded at once.
        num_workers: processes that read images.
        device: where encoders run, and attention and decoders are trained.
        amp: encode in bfloat16.
        n_resamples: of the bootstraps.
        seed: of random weights, probes, decoders and bootstraps.
        progress: show bars.
        settings: others of `evaluate_classification`, for ``image_sets``.

    Returns:
        the cells, in the order of sets, models and sizes.

    Raises:
        InputError: nothing to sweep, names that recur, a setting that `evaluate_classification` does not
            have, a file of the user's or another process in ``output_dir``, or see `evaluate_classification` and
            `evaluate_segmentation`.
    """
    require_matplotlib("the plots of the sweep")
    _check_settings(settings)
    for model in models:
        if unknown := sorted(set(model) - set(_MODEL_KEYS)):
            raise InputError(f"{dict(model)} of models has {', '.join(unknown)}; known are {', '.join(_MODEL_KEYS)}")
    named = {_name(model): dict(model) for model in models}
    shared = {"n_resamples": n_resamples, "seed": seed}
    tasks = [
        *(classification_task(name, source, {**shared, **settings}) for name, source in (image_sets or {}).items()),
        *(
            segmentation_task(name, source, {**shared, "amp": amp})
            for name, source in (segmentation_sets or {}).items()
        ),
    ]
    if not (models and sizes_px and tasks) or len(named) < len(models) or len({t.name for t in tasks}) < len(tasks):
        raise InputError(
            f"{len(models)} models ({', '.join(named)}), {len(sizes_px)} sizes and {len(tasks)} sets "
            f"({', '.join(task.name for task in tasks)}); expected at least one of each, and a name of its own for "
            "each model and set"
        )
    folder = Path(output_dir)
    OutputFolder(folder).check([plot_name(task.name) for task in tasks])
    # these change no score
    run = {"batch_size": batch_size, "num_workers": num_workers, "device": device, "progress": progress}

    # one at a time, and only where a cell is not finished
    @lru_cache(maxsize=1)
    def encoder_and_twin(name: str) -> tuple[FrozenEncoder, FrozenEncoder]:
        weights = named[name].get("weights", "random")
        return (
            _encoder(name, weights, named[name], device, amp, seed),
            _encoder("random weights", "random", named[name], device, amp, seed + 1),
        )

    def compute(task: SweepTask, model_name: str, size_px: int, place: Path) -> Cell:
        encoder, random_twin = encoder_and_twin(model_name)
        rows = task.evaluate(
            encoder=encoder,
            controls=[random_twin, raw_pixels(patch_size=encoder.patch_size)],
            size_px=size_px,
            output_dir=place,
            cache_dir=cache_dir,
            **run,
        )
        return Cell(
            task=task.name,
            main=task.main,
            model=model_name,
            size_px=size_px,
            parameters=_parameters(named[model_name]),
            flops=_flops(encoder, size_px),
            rows=tuple(rows),
        )

    cells = []
    numbers = list(product(tasks, named, sizes_px))
    for task, model_name, size_px in (bar := tqdm(numbers, unit="cell", disable=not progress)):
        bar.set_description(f"{task.name}, {model_name}, {size_px} px")
        place = folder / "cells" / cell_folder(task.name, model_name, str(size_px))
        identity = _identity(task, named[model_name], size_px, amp)
        if (found := finished_cell(place, identity)) is None:
            cells.append(compute(task, model_name, size_px, place))
            finish_cell(place, identity, cells[-1].as_data())
        else:
            cells.append(Cell.from_data(found))
    write_sweep(folder, cells)
    logger.info("%d cells; tables and plots in %s", len(cells), folder)
    return cells


def _check_settings(settings: Mapping[str, Any]) -> None:
    """Also where there are no ``image_sets``, so that nothing would take them."""
    given_by_cells = {"image_set", "encoders", "controls", "size_px"}
    known = set(signature(evaluate_classification).parameters) - set(signature(run_sweep).parameters) - given_by_cells
    if unknown := sorted(set(settings) - known):
        raise InputError(f"a sweep has no setting {', '.join(unknown)}; others known are {', '.join(sorted(known))}")


def _encoder(
    name: str, weights: str, model: Mapping[str, Any], device: torch.device | str, amp: bool, seed: int
) -> FrozenEncoder:
    backbone = with_weights(_backbone(model), weights, device=device, seed=seed)
    return frozen_backbone(
        name, backbone, intensity=intensity_of(weights=weights, stated=model.get("intensity")), amp=amp
    )


def _backbone(model: Mapping[str, Any]) -> DinoVisionTransformer:
    return backbone_of(
        weights=model.get("weights", RANDOM), name=model.get("backbone"), random_start=model.get("random_start")
    )


def _name(model: Mapping[str, Any]) -> str:
    """As stated; otherwise the weights, or the size where they are random."""
    weights = str(model.get("weights", RANDOM))
    unnamed = model.get("backbone", RANDOM) if weights == RANDOM else weights
    return str(model.get("name", unnamed))


def _parameters(model: Mapping[str, Any]) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in _backbone(model).parameters())


@torch.no_grad()
def _flops(encoder: FrozenEncoder, size_px: int) -> int:
    """Of one image: matrix products, those of attention too, and convolutions, two a multiply-add, as torch counts.

    Attention is computed as plain matrix products: torch counts its fused kernels of some devices only, and on the CPU
    would leave it out.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        encoder.encode(torch.zeros(1, 3, size_px, size_px))
    return counter.get_total_flops()


def _identity(task: SweepTask, model: Mapping[str, Any], size_px: int, amp: bool) -> str:
    """Changes with everything that decides a cell's rows: the task, the preparation of images, and the encoders.

    Weights are not loaded, so that a finished cell costs nothing: a file counts by its stamp, weights on the hub by
    their name alone. Whoever uploads others under the same name has to remove the cells.
    """
    with torch.device("meta"):
        backbone = _backbone(model)
    weights = str(model.get("weights", RANDOM))
    asked = {
        "task": task.identity(),
        "model": model,
        "network": [network_settings(backbone), level_blocks(backbone)],
        "weights": [] if weights == RANDOM else file_stamp(Path(weights).expanduser()),
        "pixels": raw_pixels(patch_size=backbone.patch_size).digest,
        "preparation": PREPARATION,
        "size_px": size_px,
        "amp": amp,
    }
    return cell_identity(asked)
