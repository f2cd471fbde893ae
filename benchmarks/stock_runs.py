"""Runs by the stock commands on data sets that list files anywhere, and the scores that they write."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIGS = Path(__file__).resolve().parent.parent / "bundles" / "meddinov3_seg_amos" / "configs"


def write_set(root: Path, cases: Sequence[Mapping[str, Any]], names: Sequence[str], modality: str) -> Path:
    """A data set in the Decathlon's layout, whose dataset.json lists files anywhere.

    Args:
        root: folder of the data set.
        cases: entries of the training list.
        names: names of the labels, without the background.
        modality: "CT" or "MRI".
    """
    root.mkdir(parents=True, exist_ok=True)
    labels = dict(enumerate(("background", *names)))
    content = {"modality": {"0": modality}, "labels": labels, "training": list(cases), "test": []}
    (root / "dataset.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return root


def run_logged(log: Path, command: Sequence[str], overrides: Mapping[str, Any]) -> None:
    """Run a command with ``--key value`` for each override; SystemExit if it fails."""
    words = [*command]
    for key, value in overrides.items():
        words += [f"--{key}", value if isinstance(value, str) else repr(value)]
    with log.open("ab") as file:
        if subprocess.run(words, stdout=file, stderr=file).returncode:
            raise SystemExit(f"{log.stem} failed: see {log}")


def run_bundle(log: Path, configs: Sequence[str], overrides: Mapping[str, Any]) -> None:
    """Run the AMOS bundle by MONAI's command."""
    files = str([str(CONFIGS / f"{config}.json") for config in configs])
    run_logged(log, [sys.executable, "-m", "monai.bundle", "run", "--config_file", files], overrides)


def dice_of(work: Path, name: str, weights: str | list[str], reference: Path) -> dict[tuple[str, str], float]:
    """Dice by case and organ of all labelled cases of a set, by evaluate.json in ``work / scores_<name>``."""
    output = work / f"scores_{name}"
    if not (output / "metrics.json").exists():
        overrides = {
            "dataset_dir": str(reference),
            "dataset_layout": "msd",
            "section": "all_labelled",
            "model_path": weights,
            "output_dir": str(output),
            "metrics": [{"_target_": "meddino_components.evaluation.Dice"}],
            "amp": False,
            "skip_existing": True,
        }
        run_bundle(work / f"evaluate_{name}.log", ("evaluate",), overrides)
    with (output / "metrics.csv").open(encoding="utf-8") as file:
        return {(row["case"], row["organ"]): float(row["dice"]) for row in csv.DictReader(file)}


def dice_table(
    dice: Mapping[tuple[str, str], float], cases: Sequence[str], organs: Sequence[str]
) -> NDArray[np.float64]:
    """Dice [N, K], NaN where an organ was not annotated."""
    return np.array([[dice.get((case, organ), np.nan) for organ in organs] for case in cases])
