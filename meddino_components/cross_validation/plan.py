"""What a cross-validation will do, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..bundle import config_files
from ..bundle.shipped import name_of, named_bundle
from ..errors import InputError
from ..evaluation.metrics import SegmentationMetric, check_metrics
from .configuration import Configuration
from .fold import Fold
from .identity import settings_of
from .overrides import shared_out
from .pooled import Case


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A cross-validation.

    Attributes:
        title: title of the report.
        folds: the folds.
        cases: validation cases of each fold.
        steps: number of steps of each training.
        metrics: measures of the evaluation.
        settings: settings that decide the result, see `settings_of`.
    """

    title: str
    folds: Sequence[Fold]
    cases: Sequence[Sequence[Case]]
    steps: int
    metrics: Sequence[SegmentationMetric]
    settings: Mapping[str, Any]


def make_plan(
    *,
    bundle: str,
    folder: Path,
    dataset_dir: str,
    n_folds: int,
    overlays: Sequence[str],
    evaluation_overlays: Sequence[str],
    settings: Mapping[str, Any],
) -> Plan:
    """Read both configurations and the cases of each fold.

    Args:
        bundle: name or folder of the bundle.
        folder: folder of the results.
        dataset_dir: folder of the data set.
        n_folds: number of folds.
        overlays: further configurations of the training, by name or path.
        evaluation_overlays: further configurations of the evaluation, by name or path.
        settings: further settings, as typed.

    Raises:
        InputError: the bundle, a configuration, a setting or the data set cannot be used.
    """
    if n_folds < 2:
        raise InputError(f"--folds is {n_folds}; expected at least 2")
    root = named_bundle(bundle).resolve()
    training = _configuration(root, "train", overlays, "training")
    evaluation = _configuration(root, "evaluate", evaluation_overlays, None)
    of_training, of_evaluation = shared_out(settings, training.content(), evaluation.content())
    training, evaluation = replace(training, overrides=of_training), replace(evaluation, overrides=of_evaluation)
    data = {"dataset_dir": dataset_dir}
    cases: list[list[Case]] = [
        list(*training.values(["validate::dataset::data"], {**data, "fold": number, "n_folds": n_folds}))
        for number in range(n_folds)
    ]
    epochs, of_epoch = training.values(["epochs", "iterations_per_epoch"], data)
    (metrics,) = evaluation.values(["metrics"], data)
    name = name_of(root) or root.name
    return Plan(
        title=f"Cross-validation of {name}, {n_folds} folds",
        folds=[_fold(number, n_folds, folder, dataset_dir, training, evaluation) for number in range(n_folds)],
        cases=cases,
        steps=int(epochs) * int(of_epoch),
        metrics=check_metrics(metrics),
        settings=settings_of(bundle=name, configurations={"training": training, "evaluation": evaluation}, cases=cases),
    )


def _configuration(root: Path, name: str, overlays: Sequence[str], run_id: str | None) -> Configuration:
    paths = [overlay for overlay in overlays if overlay.endswith(".json")]
    if missing := [path for path in paths if not Path(path).is_file()]:
        raise InputError(f"{missing[0]}: no such file; give the name of an overlay of the bundle, or a path")
    named = iter(config_files(root, name, *(overlay for overlay in overlays if overlay not in paths)))
    files = [next(named), *(str(Path(one).resolve()) if one in paths else next(named) for one in overlays)]
    return Configuration(bundle_root=root, files=tuple(files), run_id=run_id, overrides={})


def _fold(
    number: int, n_folds: int, folder: Path, dataset_dir: str, training: Configuration, evaluation: Configuration
) -> Fold:
    place = folder / f"fold_{number}"
    trained = {"output_dir": place, "fold": number, "n_folds": n_folds, "progress": False}
    scored = {"output_dir": place / "evaluation", "model_path": place / "model.pt"}
    return Fold(
        number=number,
        folder=place,
        training=training.command({"dataset_dir": dataset_dir, **trained}),
        evaluation=evaluation.command({"dataset_dir": dataset_dir, **scored}),
        directory=Path.cwd(),
    )
