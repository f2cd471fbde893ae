"""The published network trained as shipped: ``train.json`` of AMOS, ViT-B at 896 px, two iterations and a validation.

Nothing of the configuration is changed but where data and weights lie, how long it runs, the batch (one slice) and the
first weights: they are random, since what is measured does not depend on them and the hub may be out of reach. The
command is the one that a user types; its log and the memory of its processes are watched from outside.

Run: ``OMP_NUM_THREADS=2 python benchmarks/published_network.py``; ``--help`` lists what can be made smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import nibabel as nib
import psutil
from common import write_results

from meddino_components.data import read_datalist
from meddino_components.inference import supports_bfloat16
from meddino_components.phantoms import write_phantoms

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIG = REPOSITORY / "bundles" / "meddinov3_seg_amos" / "configs" / "train.json"
N_CASES = 5  # one of each fold, so that one is held out
SHORTENED = ("weights", "batch_size", "epochs", "iterations_per_epoch")
POLL_SECONDS = 0.1


class WatchedRun:
    """A command that appends to ``log.jsonl``: when each line came, and the most memory its processes took at once."""

    def __init__(self, command: list[str], log: Path, output: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        self.arrivals_s: list[float] = []
        self.peak_bytes = 0
        started = perf_counter()
        with output.open("wb") as stream:
            process = subprocess.Popen(command, cwd=REPOSITORY, stdout=stream, stderr=subprocess.STDOUT)
            try:
                while process.poll() is None:
                    self._look(psutil.Process(process.pid), log, started)
                    sleep(POLL_SECONDS)
            finally:
                process.kill()
        self._read(log, started)
        self.seconds, self.status = perf_counter() - started, process.returncode

    def _look(self, process: psutil.Process, log: Path, started: float) -> None:
        self._read(log, started)
        total = 0
        try:
            for one in (process, *process.children(recursive=True)):
                total += one.memory_full_info().pss  # what processes share counts once
        except psutil.Error:  # one of them has ended
            return
        self.peak_bytes = max(self.peak_bytes, total)

    def _read(self, log: Path, started: float) -> None:
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
        for line in lines[len(self.lines) :]:
            if line.endswith("\n"):
                self.lines.append(json.loads(line))
                self.arrivals_s.append(perf_counter() - started)


def command_of(overrides: Mapping[str, Any]) -> list[str]:
    """The command line that a user types."""
    words = [f"--{key}={value}" for key, value in overrides.items()]
    return [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(CONFIG), *words]


def figures_of(run: WatchedRun) -> list[dict[str, Any]]:
    """A row for each part of the run, from the log's lines and when they came."""
    rows, before = [], 0.0
    for line, arrival in zip(run.lines, run.arrivals_s, strict=True):
        steps = [f"iteration {line['iteration']}", f"loss {line['loss']:.4f}"] if "loss" in line else None
        if steps is None:
            steps = ["validation", f"Dice {line['validation']['val_mean_dice']:.4f}"]
        rows.append({"part": steps[0], "seconds": round(arrival - before, 1), "value": steps[1]})
        before = arrival
    rows[0]["part"] += ", with start, import and cache"
    rows.append({"part": "weights, checkpoint, end", "seconds": round(run.seconds - before, 1), "value": ""})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--in-plane-px", type=int, default=512, help="of the phantoms' slices")
    parser.add_argument("--slice-mm", type=float, default=80.0, help="between slices; the default gives about 5")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "2")))
    parser.add_argument("--name", default="published_network_cpu", help="of the result files, for a trial")
    args = parser.parse_args()
    os.environ |= {
        "OMP_NUM_THREADS": str(args.threads),
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }
    with tempfile.TemporaryDirectory() as folder:
        spacing = (args.slice_mm, args.slice_mm + 1.0)
        data = write_phantoms(
            Path(folder) / "data", n_ct=N_CASES, n_val_ct=0, in_plane_px=args.in_plane_px, slice_mm=spacing
        )
        (held_out,) = read_datalist(dataset_dir=str(data), layout="amos", section="validation", fold=0, n_folds=N_CASES)
        shape = nib.load(held_out["image"]).shape
        output = Path(folder) / "run"
        overrides = {
            "dataset_dir": data,
            "output_dir": output,
            "cache_dir": output / "cache",
            "weights": "random",
            "batch_size": 1,
            "epochs": 1,
            "iterations_per_epoch": args.iterations,
        }
        said = Path(folder) / "said"
        load = os.getloadavg()[0]
        run = WatchedRun(command_of(overrides), output / "log.jsonl", said)
        if run.status != 0:
            raise SystemExit(said.read_text(encoding="utf-8", errors="replace")[-6000:])
        sizes = {path.name: path.stat().st_size for path in output.iterdir() if path.is_file()}
    config = json.loads(CONFIG.read_text(encoding="utf-8"))
    validated = next(line["validation"] for line in run.lines if "validation" in line)
    write_results(
        args.name,
        figures_of(run),
        question="Does the published network train and validate as shipped, and what does it take?",
        settings={
            "configuration": CONFIG.relative_to(REPOSITORY).as_posix(),
            "backbone": config["backbone"] or "vit_base",  # what random weights are of where nothing is named
            "window": " x ".join(map(str, config["roi_size"])),
            "pixdim": config["pixdim"],
            "drop_path_rate": config["drop_path_rate"],
            "loader processes": config["num_workers"],
            "amp (bf16)": bool(supports_bfloat16("cpu")),
            "changed": ", ".join(f"{key} {overrides[key]}" for key in SHORTENED)
            + "; dataset_dir and output_dir lie in a temporary folder",
            "held-out volume": " x ".join(map(str, shape)),
            "threads": args.threads,
            "load before": round(load, 1),
        },
        packages=["torch", "monai", "pytorch-ignite"],
        notes=[
            "A step is forward, backward, clipping and AdamW. Seconds are wall time; where the load before was above "
            "0, other jobs took part of it.",
            f"At its peak the run's processes took {run.peak_bytes / 2**30:.2f} GiB together (proportional set size, "
            f"read every {POLL_SECONDS:g} s while they ran).",
            "The encoder's weights are random: time and memory do not depend on them, and the Dice is meaningless.",
            "Files of the run, MiB: " + ", ".join(f"{name} {n / 2**20:.0f}" for name, n in sorted(sizes.items())) + ".",
        ],
        details={
            "peak_bytes": run.peak_bytes,
            "log": run.lines,
            "arrivals_s": [round(arrival, 2) for arrival in run.arrivals_s],
            "validation": validated,
            "file_bytes": sizes,
        },
    )


if __name__ == "__main__":
    main()
