"""Two simple baselines that a segmentation network has to beat, and the table that compares them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from intensity_classifier import IntensityClassifier
from mean_label_atlas import MeanLabelAtlas
from monai.data import CacheDataset, Dataset
from monai.transforms import Compose, Orientationd

from meddino_components.data.volumes.grids import CheckSameGridd
from meddino_components.data.volumes.intensity import NormalizeIntensityByModalityd
from meddino_components.data.volumes.loading import LoadVolumed
from meddino_components.errors import InputError
from meddino_components.evaluation.case_scores import OrganScore, score_case
from meddino_components.evaluation.metrics import Dice
from meddino_components.evaluation.summary import finite_average, summarize
from meddino_components.slice_planes import AXIAL

_METRIC = Dice()


def evaluate_baselines(
    training_datalist: Sequence[Mapping[str, Any]],
    test_datalist: Sequence[Mapping[str, Any]],
    label_names: Sequence[str],
    *,
    network_dice: Mapping[str, float | None] | None = None,
    transform: Callable[[Any], Any] | None = None,
    minimum_ml: float = 20.0,
) -> dict[str, Any]:
    """Fit ``MeanLabelAtlas`` (the better alignment on the training cases) and ``IntensityClassifier``; score them.

    Args:
        training_datalist: case dicts with paths ``image`` and ``label``; those that the network was trained on.
        test_datalist: the same for the cases that the network was scored on.
        label_names: names by label, background first.
        network_dice: organ -> mean Dice on the test cases, for instance from ``metrics.json``; None leaves it out.
        transform: preprocessing, gives ``image`` and ``label`` as ``MetaTensor`` [1, H, W, D]; None reads, orients and
            normalises them by the cases' modality, as for a network.
        minimum_ml: organs whose mean reference volume over the test cases is larger enter ``mean_large``: small ones
            say little about a baseline or a short training.

    Returns:
        ``{"organs": {name: {"reference_ml", "network", "atlas", "intensity"}}, "mean": {...}, "mean_large": {...},
        "minimum_ml", "large": [names], "training_dice": {"atlas", "intensity"}, "atlas_alignment"}``: Dice averaged by
        the rule of ``summarize``; NaN where there is none.

    Raises:
        InputError: a case is in both lists.
    """
    shared = {str(c["image"]) for c in training_datalist} & {str(c["image"]) for c in test_datalist}
    if shared:
        raise InputError(f"{sorted(shared)[0]}: is a training and a test case. Take it out of one list")
    prepare = transform or _preprocessing()
    # each baseline passes over the training cases several times
    training = CacheDataset(list(training_datalist), prepare, progress=False, num_workers=2)
    test = Dataset(list(test_datalist), prepare)
    n_labels = len(label_names)
    atlases = [MeanLabelAtlas(n_labels=n_labels, alignment=a).fit(training) for a in ("body", "image")]
    atlas = max(atlases, key=lambda a: a.training_dice)
    intensity = IntensityClassifier(n_labels=n_labels).fit(training)
    scores: dict[str, list[OrganScore]] = {"atlas": [], "intensity": []}
    for number in range(len(test)):
        case = test[number]
        spacing_mm = np.linalg.norm(np.asarray(case["label"].affine)[:3, :3], axis=0).tolist()
        for name, baseline in (("atlas", atlas), ("intensity", intensity)):
            scores[name] += score_case(
                baseline.predict(case),
                case["label"].as_tensor()[0],
                spacing_mm=spacing_mm,
                label_names=label_names,
                case_id=str(case["case_id"]),
                metrics=[_METRIC],
            )
    table = _table(scores, label_names[1:], network_dice, minimum_ml)
    table["training_dice"] = {"atlas": atlas.training_dice, "intensity": intensity.training_dice}
    table["atlas_alignment"] = atlas.alignment
    return table


def baseline_table_text(table: Mapping[str, Any]) -> str:
    """The table of ``evaluate_baselines`` as lines to print."""
    columns = list(table["mean"])
    width = max(len(name) for name in [*table["organs"], "mean over organs larger than 9999 ml"])
    lines = [f"{'organ':<{width}}  {'ml':>7}  " + "  ".join(f"{name:>9}" for name in columns)]
    rows = [(name, f"{row['reference_ml']:.1f}", row) for name, row in table["organs"].items()]
    rows += [("mean over organs", "", table["mean"])]
    rows += [(f"mean over organs larger than {table['minimum_ml']:g} ml", "", table["mean_large"])]
    for name, volume, row in rows:
        values = (f"{row[c]:9.3f}" if math.isfinite(row[c]) else f"{'-':>9}" for c in columns)
        lines.append(f"{name:<{width}}  {volume:>7}  " + "  ".join(values))
    return "\n".join(lines)


def _table(
    scores: Mapping[str, Sequence[OrganScore]],
    organs: Sequence[str],
    network_dice: Mapping[str, float | None] | None,
    minimum_ml: float,
) -> dict[str, Any]:
    summaries = {name: summarize(of_baseline, organs, [_METRIC]) for name, of_baseline in scores.items()}
    columns: dict[str, dict[str, float]] = {}
    if network_dice is not None:
        columns["network"] = {organ: _or_nan(network_dice.get(organ)) for organ in organs}
    for name, summary in summaries.items():
        columns[name] = {organ: summary.organs[organ].values[_METRIC.name].mean for organ in organs}
    volumes = {organ: summaries["atlas"].organs[organ].reference_ml for organ in organs}
    large = [organ for organ in organs if volumes[organ] > minimum_ml]
    return {
        "organs": {
            organ: {"reference_ml": volumes[organ]} | {name: column[organ] for name, column in columns.items()}
            for organ in organs
        },
        "mean": {name: finite_average(column.values()).mean for name, column in columns.items()},
        "mean_large": {name: finite_average(column[o] for o in large).mean for name, column in columns.items()},
        "minimum_ml": minimum_ml,
        "large": large,
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _preprocessing() -> Compose:
    keys = ("image", "label")
    return Compose(
        [
            LoadVolumed(keys),
            CheckSameGridd(keys),
            Orientationd(keys, axcodes=AXIAL, labels=None),
            NormalizeIntensityByModalityd("image"),
        ]
    )
