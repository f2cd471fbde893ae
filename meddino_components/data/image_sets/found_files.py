"""Samples whose files are there."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...wording import first_few
from .image_set import Sample


def with_files(samples: Sequence[Sample], *, table: Path, allow_missing: bool) -> list[Sample]:
    """The samples whose files exist.

    Args:
        samples: from ``table``.
        table: for messages.
        allow_missing: leave the others out with a warning, as after downloading a part.

    Raises:
        InputError: a file is missing and that is not allowed, or all are.
    """
    missing = [sample.image for sample in samples if not os.path.exists(sample.image)]
    if not missing:
        return list(samples)
    count = f"{len(missing)} of {len(samples)} listed files do not exist: {first_few(missing)}"
    if not allow_missing or len(missing) == len(samples):
        raise InputError(
            f"{table}: {count}. Complete the data set, correct the paths, or set allow_missing to true to go on "
            "without them (not without all)."
        )
    warnings.warn(f"{table}: {count}. They are left out", stacklevel=3)
    gone = set(missing)
    return [sample for sample in samples if sample.image not in gone]


def folder_of(root: str | Path) -> Path:
    """An absolute path of a folder that exists.

    Raises:
        InputError: no such folder.
    """
    path = Path(root).expanduser().absolute()
    if not path.is_dir():
        raise InputError(f"{path}: no such folder. Give the folder that the data set was unpacked into.")
    return path


def chosen_labels(known: Sequence[str], wanted: Sequence[str] | None, name: str) -> tuple[str, ...]:
    """The labels of a set, or those of them that are wanted, in the order of the set.

    Raises:
        InputError: a label that the set does not have, or none.
    """
    if wanted is None:
        return tuple(known)
    unknown = [label for label in wanted if label not in known]
    if unknown or not wanted or isinstance(wanted, str):
        raise InputError(f"{name}: labels is {wanted!r}; expected a list of some of {', '.join(known)}.")
    return tuple(label for label in known if label in wanted)
