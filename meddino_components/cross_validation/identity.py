"""What all folds of a cross-validation must have in common, kept in its folder and compared when it continues."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..bundle.run_settings import identity_of_cases
from ..errors import InputError
from ..files import ResultFiles, sha256_of, write_text
from .configuration import Configuration

NAME = "cross_validation.json"
# where and how fast the folds are computed
_MAY_CHANGE = {
    "activation_checkpointing",
    "cache_dir",
    "checkpoint_interval",
    "checkpoint_kept_every",
    "checkpoints_kept",
    "compile",
    "device",
    "num_workers",
    "slice_batch_size",
}


def settings_of(
    *,
    bundle: str,
    configurations: Mapping[str, Configuration],
    cases: Sequence[Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """Return the settings that decide the result, as plain data.

    Args:
        bundle: name of the bundle.
        configurations: configurations by name ("training", "evaluation").
        cases: validation cases of each fold.
    """
    settings: dict[str, Any] = {"bundle": bundle, "folds": len(cases)}
    for name, one in configurations.items():
        settings |= {f"{name} {Path(file).name}": f"SHA-256 {sha256_of(Path(file))[:16]}" for file in one.files}
        settings |= {f"{name} {key}": value for key, value in one.overrides.items() if key not in _MAY_CHANGE}
    settings |= {f"cases of fold {number}": identity_of_cases(of_fold) for number, of_fold in enumerate(cases)}
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return plain


def keep_or_compare(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a new cross-validation, or compare them with those that its folder has.

    Raises:
        InputError: a setting differs; the message has both values.
    """
    path = folder / NAME
    if not path.is_file():
        with ResultFiles() as files:
            write_text(files.path(path), json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
        return
    try:
        before: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Give another --output_dir") from error
    differing = [
        f"{key} was {_shown(before, key)}, now {_shown(settings, key)}"
        for key in sorted({*before, *settings})
        if _shown(before, key) != _shown(settings, key)
    ]
    if differing:
        raise InputError(
            f"{path}: begun with other settings ({'; '.join(differing[:4])}). Type the settings of the first call, or "
            "give another --output_dir"
        )


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return str(settings[key]) if key in settings else "not set"
