"""What the benchmarks share: paired timing, the hardware line, and result files of one form."""

from __future__ import annotations

import gc
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def hardware() -> str:
    """Processor, cores this process may use, threads, memory and matrix units, in one line."""
    fields: dict[str, str] = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    units = [name for name in ("avx512f", "avx512_bf16", "amx_bf16") if name in fields.get("flags", "").split()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kind = f"family {fields.get('cpu family')}, model {fields.get('model')}"
    model = f"{fields.get('model name', platform.processor())} ({kind})"
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {cores} cores, {torch.get_num_threads()} threads, {gib:.0f} GiB, {' '.join(units) or 'no AVX-512'}"
    )


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of the packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


CLOCKS = {"wall": perf_counter, "cpu": process_time}


def timed_in_turn(
    calls: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    seconds: float = 0.0,
    warm_up: int = 1,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each call, taken in turn so that what else the machine does falls on all alike.

    Args:
        calls: what to time, by name. Every other round runs in reverse order.
        rounds: at least so many measurements each.
        seconds: go on until so much time has passed.
        warm_up: rounds that do not count.
        clock: `CLOCKS`: what a user waits for, or the time on processors of all threads, which a busy machine disturbs
            less.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    started = perf_counter()
    done = -warm_up
    while done < rounds or perf_counter() - started < seconds:
        order = list(calls) if done % 2 == 0 else list(reversed(calls))
        for name in order:
            gc.collect()
            begin = clock()
            calls[name]()
            if done >= 0:
                times[name].append(clock() - begin)
        done += 1
    return times


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Median, fastest and number of measurements in seconds."""
    return {"median_s": round(median(values), 4), "min_s": round(min(values), 4), "n": len(values)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys as a Markdown table."""
    columns = list(rows[0])
    cells = [[str(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(value.ljust(width) for value, width in zip(values, widths, strict=True)) + " |"

    return "\n".join([line(columns), line(["-" * width for width in widths]), *map(line, cells)])


def write_results(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    question: str,
    settings: Mapping[str, Any],
    packages: Sequence[str],
    notes: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
    folder: Path = RESULTS,
) -> None:
    """Print the table and write it to ``results/<name>.json`` and ``results/<name>.md``, or to another folder."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "question": question,
        "date": date.today().isoformat(),
        "hardware": hardware(),
        "versions": versions(*packages),
        "settings": dict(settings),
        "rows": list(rows),
        "notes": list(notes),
        **({"details": dict(details)} if details else {}),
    }
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    packages_line = ", ".join(f"{package} {number}" for package, number in record["versions"].items())
    settings_line = ", ".join(f"{key} {value}" for key, value in settings.items())
    parts = [
        f"# {name}",
        question,
        f"{record['date']}. {record['hardware']}. {packages_line}.",
        f"Settings: {settings_line}.",
        table(rows),
        *(["\n".join(f"- {note}" for note in notes)] if notes else []),
    ]
    text = "\n\n".join(parts) + "\n"
    (folder / f"{name}.md").write_text(text)
    print(text)
