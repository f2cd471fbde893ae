"""Checks one after another, each in a process of its own with a time limit, so that none stops the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from .check import REPOSITORY, Check

_CPU_PATIENCE = 3  # limits are those of a GPU
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def run_checks(
    checks: Sequence[Check],
    *,
    device: str,
    folder: Path,
    limit_s: float | None,
    report: Callable[[dict[str, Any]], None],
) -> list[dict[str, Any]]:
    """Results in the order of the checks.

    Args:
        checks: what to run.
        device: "cuda" or "cpu", which then is all that the processes see.
        folder: an existing one, for what the checks write.
        limit_s: seconds that any check may take at most; None leaves each its own limit.
        report: called with each result as it comes.
    """
    results = []
    for check in checks:
        limit = check.limit_s * (_CPU_PATIENCE if device == "cpu" else 1)
        limit = min(limit, limit_s) if limit_s is not None else limit
        results.append(_run(check, device, folder, limit))
        report(results[-1])
    return results


def _run(check: Check, device: str, folder: Path, limit_s: float) -> dict[str, Any]:
    result_file, said = folder / f"{check.name}.json", folder / f"{check.name}.log"
    command = [sys.executable, "-m", "gpu.child", check.name, device, str(folder), str(result_file)]
    started = perf_counter()
    with said.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env=_environment(device),
            cwd=folder,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the commands it has started end with it
        )
        try:
            process.wait(timeout=limit_s)
            ended = f"ended with status {process.returncode} and no result"
        except subprocess.TimeoutExpired:
            ended = f"took longer than {limit_s:g} s"
        finally:
            _end_group(process)
    if result_file.exists():
        result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
        return result
    log = said.read_text(encoding="utf-8", errors="replace")[-4000:]
    seconds = round(perf_counter() - started, 1)
    return {"name": check.name, "status": "failed", "figures": {}, "error": ended, "log": log, "seconds": seconds}


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment(device: str) -> dict[str, str]:
    paths = [str(REPOSITORY), str(REPOSITORY / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if device == "cpu":
        found["CUDA_VISIBLE_DEVICES"] = ""
        for name in _THREADS:
            found.setdefault(name, "1")  # sums in one order, so that equal runs are equal
    return found
