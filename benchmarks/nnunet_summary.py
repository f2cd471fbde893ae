"""Score predictions by ``evaluate_folder`` and by nnU-Net: are all numbers the same, and how long does each take?

    python benchmarks/nnunet_summary.py --predictions fold_0/validation --references Dataset004_Hippocampus/labelsTr

Compared are Dice and IoU of each case and label, the volumes behind them, the means of each label and the mean of all
labels, by nnU-Net's rule for structures that a reference lacks. Every label takes part, also in cases that lack it.
Cases are those of the folder of predictions; if nnU-Net wrote a ``summary.json`` there, its numbers are compared, too.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torchvision_shim  # noqa: F401  nnU-Net imports torchvision
from common import RESULTS, timed_in_turn, write_results
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from meddino_components.data.volumes.file_checks import read_header
from meddino_components.evaluation.folders.named_labels import NamedLabels, labels_beside

_NAMES = {"dice": "Dice", "iou": "IoU"}


def score_by_ours(predictions: Path, references: Path, output: Path) -> None:
    """Scores by the command, in a process of its own, as a user calls it."""
    command = [sys.executable, "-m", "meddino_components", "evaluate_folder", str(predictions), str(references)]
    options = ["--output_dir", str(output), "--metrics", "['dice','iou']", "--absent", "nnunet", "--common_only"]
    subprocess.run([*command, *options], check=True, capture_output=True)


def score_by_theirs(predictions: Path, references: Path, output: Path, found: NamedLabels) -> None:
    """Scores by nnU-Net, with one process."""
    labels = [*found.names] if found.regions is None else [*found.regions.members]
    ignored = next(iter(found.ignored), None)
    compute_metrics_on_folder(
        str(references), str(predictions), str(output), SimpleITKIO(), ".nii.gz", labels, ignored, 1, chill=True
    )


def numbers_of_ours(output: Path, predictions: Path) -> dict[tuple[str, ...], float]:
    """Every number by what it is of."""
    summary = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    found = {("mean", _NAMES[name]): _number(summary[f"mean_{name}"]) for name in _NAMES}
    for organ, values in summary["organs"].items():
        found |= {("organ", organ, _NAMES[name]): _number(values[name]["mean"]) for name in _NAMES}
    with (output / "metrics.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            place = ("case", row["case"], row["organ"])
            affine = read_header(predictions / f"{row['case']}.nii.gz", is_scan=False).affine
            voxel_ml = abs(np.linalg.det(affine[:3, :3])) / 1000
            found |= {(*place, _NAMES[name]): float(row[name]) for name in _NAMES}
            found[(*place, "n_pred")] = float(row["prediction_ml"]) / voxel_ml
            found[(*place, "n_ref")] = float(row["reference_ml"]) / voxel_ml
    return found


def numbers_of_theirs(summary: Mapping[str, Any], names: Mapping[str, str]) -> dict[tuple[str, ...], float]:
    """Every number by what it is of."""
    found = {("mean", name): _number(summary["foreground_mean"][name]) for name in _NAMES.values()}
    for label, values in summary["mean"].items():
        found |= {("organ", names[label], name): _number(values[name]) for name in _NAMES.values()}
    for case in summary["metric_per_case"]:
        case_id = Path(case["prediction_file"]).name.removesuffix(".nii.gz")
        for label, values in case["metrics"].items():
            place = ("case", case_id, names[label])
            found |= {(*place, name): _number(values[name]) for name in (*_NAMES.values(), "n_pred", "n_ref")}
    return found


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def largest_difference(
    ours: Mapping[tuple[str, ...], float], theirs: Mapping[tuple[str, ...], float]
) -> dict[str, Any]:
    """Compare number by number; volumes relative to themselves, as the table holds six digits of them."""
    if ours.keys() != theirs.keys():
        raise SystemExit(f"only one side has {sorted(ours.keys() ^ theirs.keys())[:5]}")
    ratios, voxels = [], []
    for key, value in ours.items():
        other = theirs[key]
        if math.isnan(value) != math.isnan(other):
            raise SystemExit(f"{key}: {value} and {other}")
        if not math.isnan(value):
            (voxels if key[-1].startswith("n_") else ratios).append(
                abs(value - other) / (max(other, 1) if key[-1].startswith("n_") else 1)
            )
    not_counted = sum(math.isnan(value) for value in ours.values())
    return {
        "numbers compared": len(ours),
        "of these NaN in both": not_counted,
        "largest difference of Dice and IoU": f"{max(ratios):.1e}",
        "largest relative difference of volumes": f"{max(voxels):.1e}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True, help="folder that nnU-Net wrote")
    parser.add_argument("--references", type=Path, required=True, help="folder of label maps of the same names")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each")
    parser.add_argument("--note", default="", help="where the predictions are from, for the result file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result files")
    arguments = parser.parse_args()
    predictions, references = arguments.predictions, arguments.references
    found = labels_beside(predictions) or labels_beside(references)
    if found is None:
        raise SystemExit(f"{predictions}: has no dataset.json")
    with tempfile.TemporaryDirectory() as folder:
        output, summary = Path(folder) / "ours", Path(folder) / "summary.json"
        times = timed_in_turn(
            {
                "evaluate_folder, a process with report and pictures": lambda: score_by_ours(
                    predictions, references, output
                ),
                "nnU-Net, its function alone": lambda: score_by_theirs(predictions, references, summary, found),
            },
            rounds=arguments.rounds,
        )
        structures = (
            {str(label): name for label, name in found.names.items()}
            if found.regions is None
            else {str(tuple(m)): name for m, name in zip(found.regions.members, found.regions.names, strict=True)}
        )
        own = numbers_of_ours(output, predictions)
        rows = [
            {
                "compared with": name,
                **largest_difference(own, numbers_of_theirs(json.loads(path.read_text()), structures)),
            }
            for name, path in {
                "nnU-Net's function now": summary,
                "summary.json of nnU-Net's training": predictions / "summary.json",
            }.items()
            if path.is_file()
        ]
    write_results(
        "nnunet_summary",
        rows,
        question="Does evaluate_folder give the numbers of nnU-Net's own summary?",
        settings={"cases": len({key[1] for key in own if key[0] == "case"}), "absent": "nnunet"},
        packages=("torch", "monai", "nnunetv2"),
        notes=[
            *([arguments.note] if arguments.note else []),
            *(f"{name}: {min(values):.1f} s (fastest of {len(values)})" for name, values in times.items()),
            "metrics.csv holds six digits, so single cases agree to half of the sixth digit",
        ],
        folder=arguments.results,
    )


if __name__ == "__main__":
    main()
