"""What frozen encoders find in the patches of labelled scans: k-NN and linear probe beside random weights and pixels.

Each task is a run of `patches.json` of the benchmark bundle, as a user would type it; this script puts the tables of
several together. A task is a mapping of settings of that configuration, such as
``{"train_data": [...], "test_data": [...], "label_names": [...], "include_background": true}``.
Run: ``python benchmarks/frozen_patches.py --tasks tasks.json --weights teacher.safetensors --work_dir out``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import RESULTS, write_results

BUNDLE = Path(__file__).parent.parent / "bundles" / "meddinov3_benchmark" / "configs"


def run_task(settings: Mapping[str, Any], weights: str, output: Path) -> dict[str, Any]:
    """What ``patches.json`` of a finished run says.

    Raises:
        SystemExit: the run failed.
    """
    configs = [str(BUNDLE / name) for name in ("patches.json", "laptop.json")]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(configs)]
    # the laptop's network has a qkv bias, as everything that this project pretrains
    overrides = {"qkv_bias": True, "weights": weights, "output_dir": str(output), **settings}
    for key, value in overrides.items():
        command += [f"--{key}", value if isinstance(value, str) else repr(value)]
    if subprocess.run(command).returncode:
        raise SystemExit("the command failed")
    found: dict[str, Any] = json.loads((output / "patches.json").read_text())
    return found


def rows_of(task: str, found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the table."""
    where = "within one patient" if found["within_one_patient"] else "other patients"
    rows = []
    for row in found["rows"]:
        score = row["scores"]["organ score"]
        gains = {
            name: f"{g['value']:+.3f} ({g['low']:+.3f} to {g['high']:+.3f})" for name, g in row["gain_over"].items()
        }
        rows.append(
            {
                "task": f"{task}, {where}",
                "probe": row["probe"],
                "encoder": row["encoder"],
                "mean F1 (95 %)": f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})",
                "AUC (95 %)": "{value:.3f} ({low:.3f} to {high:.3f})".format(**row["scores"]["AUC"]),
                "F1 over random weights": gains.get("random weights", "-"),
                "F1 over raw pixels": gains.get("raw pixels", "-"),
                "test units": str(found["units"]),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=Path, required=True, help="JSON: name to settings of patches.json")
    parser.add_argument("--weights", default="random", help="of the laptop's network")
    parser.add_argument("--work_dir", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows, details = [], {}
    for task, settings in json.loads(arguments.tasks.read_text()).items():
        found = run_task(settings, arguments.weights, arguments.work_dir / task.replace(" ", "_"))
        rows += rows_of(task, found)
        details[task] = found
    write_results(
        "frozen_patches_cpu",
        rows,
        question="Do a frozen encoder's patches show organs and lesions of patients that the probe never saw?",
        settings={"network": "vit_mini (laptop.json)", "weights": Path(arguments.weights).name},
        packages=("torch", "monai"),
        details=details,
        folder=arguments.results,
    )


if __name__ == "__main__":
    main()
