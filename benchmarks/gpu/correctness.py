"""The subcommand ``correctness``: numbers, training, inference and export on the device, against what is known."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from common import write_results

from .checks import CHECKS
from .runner import run_checks

_STATUS = ("ok", "failed", "skipped")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this subcommand."""
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), help="default: CUDA where there is a device; cpu runs anywhere"
    )
    parser.add_argument("--only", nargs="+", choices=list(CHECKS), metavar="NAME", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--out", type=Path, help="also append each check's JSON line to this file")
    parser.add_argument("--limit-s", type=float, help="seconds that any check may take at most")


def main(args: argparse.Namespace) -> int:
    """Run the checks; 0 where none failed."""
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device: give --device cpu")
    chosen = [CHECKS[name] for name in args.only or CHECKS]

    def report(result: Mapping[str, Any]) -> None:
        line = json.dumps(result)
        print(line, flush=True)
        if args.out:
            with args.out.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")

    with tempfile.TemporaryDirectory(prefix="gpu_checks_") as folder:
        results = run_checks(chosen, device=device, folder=Path(folder), limit_s=args.limit_s, report=report)
    # a part of the checks would replace the record of all
    if device == "cuda" and not args.only:
        _write(results, device)
    return int(any(result["status"] == "failed" for result in results))


def _write(results: Sequence[Mapping[str, Any]], device: str) -> None:
    """``results/gpu_checks.md`` and ``.json``."""
    counts = [f"{sum(result['status'] == status for result in results)} {status}" for status in _STATUS]
    rows = [
        {
            "check": result["name"],
            "status": result["status"],
            "seconds": result["seconds"],
            "asked": CHECKS[result["name"]].asks,
            "found": (result["error"] or _short(result["figures"])).replace("|", "/")[:300],
        }
        for result in results
    ]
    capability = ".".join(map(str, torch.cuda.get_device_capability()))
    write_results(
        "gpu_checks",
        rows,
        question="Does this project give on a GPU what it gives on a CPU, and do its commands run there?",
        settings={
            "gpu": f"{torch.cuda.get_device_name()} (compute capability {capability})",
            "CUDA": torch.version.cuda,
            "cuDNN": torch.backends.cudnn.version(),
            "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "not set"),
        },
        packages=["torch", "monai", "pytorch-ignite", "numpy"],
        notes=[
            f"{', '.join(counts)}; {sum(result['seconds'] for result in results):.0f} s.",
            "The error of numbers is the norm of the difference over that of what is expected; fp32 is without TF32.",
            "Every figure, limit and log is in the JSON file.",
        ],
        details={"results": list(results)},
    )


def _short(figures: Mapping[str, Any]) -> str:
    """Figures in a few words; long lists by their ends."""
    parts = []
    for name, value in figures.items():
        if isinstance(value, dict) and "relative_error" in value:
            parts.append(f"{name} {value['relative_error']:.2g} (limit {value['limit']:g})")
        elif isinstance(value, list) and len(value) > 4:
            parts.append(f"{name} {_number(value[0])} ... {_number(value[-1])}")
        elif isinstance(value, list):
            parts.append(f"{name} {', '.join(map(_number, value))}")
        else:
            parts.append(f"{name} {_number(value)}")
    return "; ".join(parts)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
