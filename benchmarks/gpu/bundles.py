"""Bundles run by the command line that a user types, at sizes that take seconds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from random_weights import write_random_weights

from .check import REPOSITORY, Failed, Place, Skipped, needs, require

BUNDLES = REPOSITORY / "bundles"
AMOS, PRETRAIN = BUNDLES / "meddinov3_seg_amos", BUNDLES / "meddinov3_pretrain"
TINY = {
    "backbone": "vit_tiny",
    "weights": "random",
    "roi_size": [64, 64],
    "pixdim": [6.0, 6.0],
    "batch_size": 2,
    "num_workers": 0,
    "progress": False,
    "amp": False,
}
# as Python says it, and as this project does: "the report needs jinja2 and matplotlib: install the extra ..."
_MISSING = re.compile(
    r"No module named '(\w+)|import of (\w+) halted|needs (?:the package )?([\w, ]+): (?:pip )?install"
)


def data_set(place: Place) -> Path:
    """A data set of six small CT volumes, generated once for all checks of a run."""
    needs("nibabel", "scipy")
    from meddino_components.phantoms import write_phantoms

    folder = place.folder / "phantoms"
    if not (folder / "dataset.json").exists():
        write_phantoms(folder, n_ct=5, n_mr=0, n_val_ct=1, in_plane_px=64, slice_mm=(16.0, 20.0))
    return folder


def a_scan(place: Place) -> Path:
    """One CT volume without labels."""
    return data_set(place) / "imagesVa" / "amos_0006.nii.gz"


def command_of(
    bundle: Path, configs: Sequence[str], overrides: Mapping[str, Any], launcher: Sequence[str] = ()
) -> list[str]:
    """The command line; TensorBoard's handlers are left out where it is not installed."""
    files = [bundle / "configs" / f"{name}.json" for name in configs]
    overrides = dict(overrides)
    if absent := list(_without_tensorboard(files)):
        overrides |= dict.fromkeys(absent, True)
        overrides["extra_keys"] = [*overrides.get("extra_keys", []), *absent]
    listed = "[" + ",".join(f"'{file}'" for file in files) + "]"
    words = []
    for key, value in overrides.items():
        words += [f"--{key}", value if isinstance(value, str) else repr(value)]
    return [*(launcher or (sys.executable, "-m")), "monai.bundle", "run", "--config_file", listed, *words]


def _without_tensorboard(files: Sequence[Path]) -> Iterator[str]:
    """Keys that switch off the handlers that need it."""
    for file in files:
        for key in keys_of_tensorboard(json.loads(file.read_text(encoding="utf-8"))):
            yield f"{key}::_disabled_"


def keys_of_tensorboard(config: Mapping[str, Any]) -> list[str]:
    """Keys of the handlers that cannot run because TensorBoard is missing, the last of a list first."""
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        return list(_handlers_of_tensorboard(config, ""))[::-1]
    return []


def _handlers_of_tensorboard(config: Any, key: str) -> Iterator[str]:
    parts = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for name, value in parts:
        inner = f"{key}::{name}" if key else str(name)
        if isinstance(value, dict) and value.get("_target_") == "TensorBoardStatsHandler":
            yield inner
        yield from _handlers_of_tensorboard(value, inner)


def run(place: Place, command: Sequence[str], name: str, **variables: str) -> None:
    """Run a command to its end, keeping what it says in ``<name>.said``.

    Raises:
        Skipped: a package of others is missing.
        Failed: with the last line that it printed.
    """
    said = place.folder / f"{name}.said"
    with said.open("wb") as stream:
        done = subprocess.run(
            command, cwd=place.folder, env={**os.environ, **variables}, stdout=stream, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        raise failure_of(said, name, done.returncode)


def failure_of(said: Path, name: str, status: int) -> Exception:
    """What went wrong, from what a command printed."""
    text = said.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b.*:", line)]
    for line in errors:
        if (found := _MISSING.search(line)) and not (missing := next(filter(None, found.groups()))).startswith(
            "meddino_components"
        ):
            return Skipped(f"needs {missing}")
    last = (errors or lines or ["nothing was printed"])[-1]
    first = f", first: {errors[0][:300]}" if errors and errors[0] != last else ""
    return Failed(f"{name} ended with status {status}: {last[:500]}{first}", log=text[-4000:])


def read_log(output: Path) -> list[dict[str, Any]]:
    """Lines of a run's ``log.jsonl``; the last one may be half written."""
    log = output / "log.jsonl"
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def losses(output: Path) -> dict[int, float]:
    """Loss by iteration."""
    return {line["iteration"]: line["loss"] for line in read_log(output) if "loss" in line}


def largest_difference(found: Mapping[int, float], expected: Mapping[int, float]) -> float:
    """Of losses, relative to what is expected.

    Raises:
        Failed: they are not of the same iterations.
    """
    require(sorted(found) == sorted(expected), f"iterations {sorted(found)} instead of {sorted(expected)}")
    require(bool(expected), "no iteration was logged")
    return max(abs(found[i] - expected[i]) / max(abs(expected[i]), 1e-12) for i in expected)


def training_overrides(place: Place, output: Path, **changed: Any) -> dict[str, Any]:
    """Overrides of a fine-tuning on the phantoms."""
    return {
        **TINY,
        "dataset_dir": str(data_set(place)),
        "output_dir": str(output),
        "model_path": str(output / "model.pt"),
        "cache_dir": str(place.folder / "cache"),
        **changed,
    }


def model(place: Place) -> tuple[Path, bool]:
    """Weights of the small network: those of the check of fine-tuning, or random ones where it left none.

    Returns:
        The file, and whether they are trained.
    """
    trained = place.folder / "fine_tuning" / "model.pt"
    if trained.exists():
        return trained, True
    path = place.folder / "random.pt"
    if not path.exists():
        write_random_weights(AMOS, path, overrides=TINY)
    return path, False
