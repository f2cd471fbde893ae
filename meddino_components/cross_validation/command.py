"""Train and evaluate all folds of a bundle, and report on all cases together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..evaluation.report_extra import check_report_extra
from ..files import OutputFolder
from ..interruption import ends_on_signal
from ..probing.statistics.bootstrap import Bootstrap
from .identity import NAME, keep_or_compare
from .plan import make_plan
from .pooled import pool, read_fold
from .progress import AllFoldsProgress
from .report import NAMES, write_report
from .workers import local_slots, on_ray, on_this_machine


def cross_validate(
    dataset_dir: str,
    output_dir: str,
    bundle: str = "meddinov3_seg_amos",
    folds: int = 5,
    overlay_config: str | Sequence[str] | None = None,
    evaluation_overlay_config: str | Sequence[str] | None = None,
    devices: Sequence[int | str] | None = None,
    workers: int | None = None,
    ray: bool | str = False,
    n_resamples: int = 1000,
    progress: bool = True,
    **settings: Any,
) -> str:
    """Train and evaluate a bundle on each fold of a data set, and report on all cases together.

    All other options are settings of train.json and evaluate.json, such as --epochs 100. Run the same command again to
    continue after an interruption.

    Args:
        dataset_dir: folder of the data set.
        output_dir: folder for the report and for a folder of each fold, fold_0, fold_1, ...
        bundle: name or folder of the bundle.
        folds: number of folds.
        overlay_config: further configurations of the training: names such as laptop, or paths of JSON files.
        evaluation_overlay_config: further configurations of the evaluation, such as reproduction_evaluate.
        devices: GPUs to use, one fold on each at a time, such as [0,1]; by default all visible ones, or else the CPU.
        workers: number of folds at a time without a GPU, or on a Ray cluster.
        ray: whether to use Ray: True for this machine, an address ("auto", "ray://head:10001") for a cluster.
        n_resamples: number of resamples of the patients for the intervals; 0 gives none.
        progress: whether to show a progress bar.

    Returns:
        The path of the report.

    Raises:
        InputError: a setting is wrong or differs from that of an earlier call, another process writes to the folder, or
            a fold failed.
    """
    check_report_extra()
    bootstrap = Bootstrap(n_resamples=n_resamples)
    if ray and devices is not None:
        raise InputError("--devices and --ray are both given: a Ray cluster chooses the GPUs")
    slots = [] if ray else local_slots(devices, workers)
    folder = OutputFolder(Path(output_dir).expanduser().absolute())
    plan = make_plan(
        bundle=bundle,
        folder=folder.path,
        dataset_dir=dataset_dir,
        n_folds=folds,
        overlays=_several(overlay_config),
        evaluation_overlays=_several(evaluation_overlay_config),
        settings=settings,
    )
    with folder.held([*NAMES, NAME]):
        keep_or_compare(folder.path, plan.settings)
        bar = AllFoldsProgress(plan.folds, plan.steps, enabled=progress)
        missing = [fold for fold in plan.folds if not fold.is_finished]
        try:
            with ends_on_signal("run the same command again to continue"):
                finished = (
                    on_ray(missing, ray if isinstance(ray, str) else None, workers, bar.watch)
                    if ray
                    else on_this_machine(missing, slots, bar.watch)
                )
                for fold in finished:
                    bar.say(f"fold {fold.number} is finished: {fold.folder}")
        finally:
            bar.close()
        found = [read_fold(fold, cases, plan.metrics) for fold, cases in zip(plan.folds, plan.cases, strict=True)]
        pooled = pool(found, plan.metrics, bootstrap)
        return str(write_report(folder, plan.folds, pooled, bootstrap, title=plan.title))


def _several(names: str | Sequence[str] | None) -> list[str]:
    return [] if names is None else [names] if isinstance(names, str) else list(names)
