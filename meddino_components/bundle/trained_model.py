"""Which weights a bundle's evaluation and inference take where nobody names any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError


def find_trained_model(*, released: str | Path, trained: Sequence[str | Path]) -> str:
    """The bundle's released weights, or else what training with its default output wrote.

    Args:
        released: file that a bundle comes with, and that training never writes.
        trained: files that trainings of this bundle write by default; of several that exist the first is meant.

    Raises:
        InputError: neither exists, or both do, which are two networks.
    """
    own = next((str(path) for path in trained if Path(path).is_file()), None)
    if Path(released).is_file():
        if own is not None:
            raise InputError(
                f"the bundle has weights of its release ({released}) and of a training here ({own}): name one by "
                "`--model_path`"
            )
        return str(released)
    if own is None:
        raise InputError(
            f"{released}: no such file, and no training of this bundle wrote {trained[0]}: name weights by "
            "`--model_path`, or train first"
        )
    return own
