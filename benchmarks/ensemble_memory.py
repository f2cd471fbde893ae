"""Peak memory and time of ``segment`` with one network and with five, on the same scan.

    python benchmarks/ensemble_memory.py --scan ct.nii.gz

The networks are ViT-B with random weights, each with its own; a list takes turns, so memory should hold one of them.
Each measurement is a process of its own, from the file to the written labels.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import nibabel as nib
from common import RESULTS, write_results
from random_weights import write_random_weights
from stock_runs import CONFIGS

_SETTINGS = {"backbone": "vit_base", "weights": "random", "roi_size": [224, 224], "pixdim": [2.0, 2.0]}


def measured(command: list[str]) -> dict[str, float]:
    """Peak resident GiB of a process, its wall time and its processor time."""
    started = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return {
        "peak RSS, GiB": round(usage.ru_maxrss / 2**20, 2),
        "wall, s": round(perf_counter() - started, 1),
        "processor, s": round(usage.ru_utime + usage.ru_stime, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, required=True, help="a CT")
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"network_{number}.pt" for number in range(arguments.networks)]
        for number, path in enumerate(paths):
            write_random_weights(CONFIGS.parent, path, overrides=_SETTINGS, seed=number)
        for n in (1, arguments.networks):
            command = [sys.executable, "-m", "meddino_components", "segment", str(arguments.scan), f"{folder}/out_{n}"]
            command += ["--modality", "ct", "--model", str([str(path) for path in paths[:n]])]
            rows.append({"networks": n, **measured(command)})
        size = paths[0].stat().st_size / 2**30
    write_results(
        "ensemble_memory_cpu",
        rows,
        question="How much more memory do five networks take than one?",
        settings={
            "volume": " x ".join(map(str, nib.load(arguments.scan).shape)),
            "network": f"vit_base, {size:.2f} GiB of weights",
            "window": "224 x 224 at 2 mm",
        },
        packages=("torch", "monai"),
        folder=arguments.results,
    )


if __name__ == "__main__":
    main()
