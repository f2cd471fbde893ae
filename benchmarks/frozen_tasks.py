"""What frozen encoders know of labelled scans, beside random weights and pixels: their patches, or segmentations.

Each task is a run of `patches.json` or `segment.json` of the benchmark bundle, as a user would type it; this script
puts the tables of several together. A task is a mapping of settings of that configuration, such as
``{"train_data": [...], "test_data": [...], "label_names": [...], "include_background": true}``.
Run: ``python benchmarks/frozen_tasks.py patches --tasks tasks.json --weights teacher.safetensors --work_dir out``.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import RESULTS, write_results

BUNDLE = Path(__file__).parent.parent / "bundles" / "meddinov3_benchmark" / "configs"


@dataclass(frozen=True)
class Family:
    """Tasks of one configuration: what it writes, and which scores stand in the table under which names."""

    written: str
    results: str
    scores: dict[str, str]
    question: str


FAMILIES = {
    "patches": Family(
        written="patches.json",
        results="frozen_patches_cpu",
        scores={"organ score": "mean F1", "AUC": "AUC"},
        question="Can a frozen encoder's patches identify organs and lesions of patients that the probe never saw?",
    ),
    "segment": Family(
        written="segmentation.json",
        results="frozen_segmentation_cpu",
        scores={"Dice": "Dice"},
        question="What can small decoders segment from a frozen encoder's features?",
    ),
}


def run_task(family: str, settings: Mapping[str, Any], weights: str, output: Path) -> dict[str, Any]:
    """What a finished run wrote.

    Raises:
        SystemExit: the run failed.
    """
    configs = [str(BUNDLE / name) for name in (f"{family}.json", "laptop.json")]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(configs)]
    overrides = {"weights": weights, "output_dir": str(output), **settings}
    for key, value in overrides.items():
        command += [f"--{key}", value if isinstance(value, str) else repr(value)]
    if subprocess.run(command).returncode:
        raise SystemExit("the command failed")
    found: dict[str, Any] = json.loads((output / FAMILIES[family].written).read_text())
    return found


def interval(score: Mapping[str, float], form: str = ".3f") -> str:
    """The value with its interval, if there is one."""
    value, low, high = (format(score[key], form) for key in ("value", "low", "high"))
    return value if math.isnan(score["low"]) else f"{value} ({low} to {high})"


def rows_of(task: str, found: Mapping[str, Any], scores: Mapping[str, str]) -> list[dict[str, str]]:
    """Rows of the table; gains are of the first score."""
    main = next(iter(scores.values()))
    where = "within one patient" if found["within_one_patient"] else "other patients"
    rows = []
    for row in found["rows"]:
        gains = {name: interval(gain, "+.3f") for name, gain in row["gain_over"].items()}
        rows.append(
            {
                "task": f"{task}, {where}",
                "probe": row["probe"],
                "encoder": row["encoder"],
                **{f"{heading} (95 %)": interval(row["scores"][name]) for name, heading in scores.items()},
                f"{main} over random weights": gains.get("random weights", "-"),
                f"{main} over raw pixels": gains.get("raw pixels", "-"),
                "test units": str(found["units"]),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES, help="the configuration")
    parser.add_argument("--tasks", type=Path, required=True, help="JSON: name to settings of the configuration")
    parser.add_argument("--weights", default="random", help="of the laptop's network")
    parser.add_argument("--work_dir", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    family = FAMILIES[arguments.family]
    rows, details = [], {}
    for task, settings in json.loads(arguments.tasks.read_text()).items():
        found = run_task(arguments.family, settings, arguments.weights, arguments.work_dir / task.replace(" ", "_"))
        rows += rows_of(task, found, family.scores)
        details[task] = found
    write_results(
        family.results,
        rows,
        question=family.question,
        settings={"network": "vit_mini (laptop.json)", "weights": Path(arguments.weights).name},
        packages=("torch", "monai"),
        details=details,
        folder=arguments.results,
    )


if __name__ == "__main__":
    main()
