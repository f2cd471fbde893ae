"""Model sizes x resolutions x sets of images: every cell once, then tables and plots of all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...embeddings import FrozenEncoder
from ...errors import InputError
from ...files import OutputFolder, writes_results
from ...interruption import ends_on_signal
from ...pictures.blank_figure import require_matplotlib
from ..encoding import Encoding
from ..finished_cells import cell_folder, cell_identity, finish_cell, finished_cell
from ..image_sets.vectors import Vectors
from ..probes.probe import Probe, check_probes
from ..statistics.bootstrap import Bootstrap
from .models import SweepModels, encoding_flops
from .report import Cell, plot_name, write_sweep
from .tasks import SweepTask, classification_task, segmentation_task

logger = logging.getLogger(__name__)


@ends_on_signal("finished cells stay, the same command goes on with the others")
@writes_results("sweep.csv", "sweep.md", "sweep.tex")
def run_sweep(
    *,
    models: SweepModels,
    sizes_px: Sequence[int],
    image_sets: Mapping[str, Mapping[str, Any]] | None = None,
    segmentation_sets: Mapping[str, Mapping[str, Any]] | None = None,
    output_dir: str | Path,
    encoding: Encoding,
    probes: Sequence[Probe],
    vectors: Vectors | None = None,
    bootstrap: Bootstrap | None = None,
) -> list[Cell]:
    """Score every model at every size on every set, and compare it with random weights of its size and raw pixels.

    A cell is a folder below ``output_dir/cells``; its file of scores is written last, so that an interrupted sweep does
    not compute a finished cell again. A cell is recomputed if its model, weights, probes, other settings, images or
    labels changed; weights on the Hub are identified by their name alone.

    Args:
        models: the models to compare, and how they run.
        sizes_px: sides of the images in pixels, multiples of the patch size.
        image_sets: by name ``{"root", "layout", "options"}``, see `read_image_set`.
        segmentation_sets: by name ``{"dataset_dir", "layout", ...}``, see `segmentation_task`.
        output_dir: output folder for ``sweep.csv``, ``.md``, ``.tex``, and ``sweep_<set>.png`` of each set.
        encoding: settings for computing embeddings and maps, and the folder that keeps them.
        probes: probes for ``image_sets``, see `evaluate_classification`.
        vectors: which vectors the probes of ``image_sets`` get, see `evaluate_classification`.
        bootstrap: settings of the bootstrap over patients.

    Returns:
        the cells, in the order of sets, models and sizes.

    Raises:
        InputError: there is nothing to sweep, names recur, ``output_dir`` holds a file of the user's or is used by
            another process, or see `evaluate_classification` and `evaluate_segmentation`.
    """
    require_matplotlib("the plots of the sweep")
    check_probes(probes)
    vectors, bootstrap = vectors or Vectors(), bootstrap or Bootstrap()
    shared: dict[str, Any] = {"bootstrap": bootstrap, "encoding": encoding}
    tasks = [
        *(
            classification_task(name, source, probes=probes, vectors=vectors, **shared)
            for name, source in (image_sets or {}).items()
        ),
        *(
            segmentation_task(name, source, seed=models.seed, device=models.device, amp=models.amp, **shared)
            for name, source in (segmentation_sets or {}).items()
        ),
    ]
    names = models.names()
    if not (names and sizes_px and tasks) or len(set(names)) < len(names) or len({t.name for t in tasks}) < len(tasks):
        raise InputError(
            f"{len(names)} models ({', '.join(names)}), {len(sizes_px)} sizes and {len(tasks)} sets "
            f"({', '.join(task.name for task in tasks)}); expected at least one of each, and a name of its own for "
            "each model and set"
        )
    folder = Path(output_dir)
    OutputFolder(folder).check([plot_name(task.name) for task in tasks])

    # only one is in memory, and it is loaded only for a cell that is not finished
    @lru_cache(maxsize=1)
    def encoder_and_controls(name: str) -> tuple[FrozenEncoder, list[FrozenEncoder]]:
        return models.encoder_and_controls(name)

    def compute(task: SweepTask, model: str, size_px: int, place: Path) -> Cell:
        encoder, controls = encoder_and_controls(model)
        rows = task.evaluate(encoder=encoder, controls=controls, size_px=size_px, output_dir=place)
        return Cell(
            task=task.name,
            main=task.main,
            model=model,
            size_px=size_px,
            parameters=models.parameters(model),
            flops=encoding_flops(encoder, size_px),
            rows=tuple(rows),
        )

    cells = []
    asked = list(product(tasks, names, sizes_px))
    for task, model, size_px in (bar := tqdm(asked, unit="cell", disable=not encoding.progress)):
        bar.set_description(f"{task.name}, {model}, {size_px} px")
        place = folder / "cells" / cell_folder(task.name, model, str(size_px))
        identity = cell_identity({"task": task.identity(), "model": models.identity(model), "size_px": size_px})
        if (found := finished_cell(place, identity)) is None:
            cells.append(compute(task, model, size_px, place))
            finish_cell(place, identity, cells[-1].as_data())
        else:
            cells.append(Cell.from_data(found))
    write_sweep(folder, cells)
    logger.info("%d cells; tables and plots in %s", len(cells), folder)
    return cells
