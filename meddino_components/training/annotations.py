"""Training that MONAI Label starts from what annotators drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError


def from_annotators(cases: Sequence[Mapping[str, Any]], model_path: str | Path) -> bool:
    """Whether the cases come from MONAI Label, which gives paths alone; those of a data set have a ``case_id``.

    Label then loads ``model_path`` into the network and trains it further, so neither the encoder's first weights nor
    a checkpoint of another run have a part in it.

    Args:
        cases: of training.
        model_path: the bundle's weights.

    Raises:
        InputError: no model to train further: Label would train random weights without a word.
    """
    if any("case_id" in case for case in cases):
        return False
    if not Path(model_path).is_file():
        raise InputError(
            f"{model_path}: no such file; MONAI Label trains a bundle's model further. Download the bundle's weights, "
            "or fine-tune it first, see docs/monai_label.md"
        )
    return True
