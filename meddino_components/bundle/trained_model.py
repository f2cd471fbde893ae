"""Which weights a bundle's evaluation and inference take where nobody names any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..checkpoints import find_known
from ..checkpoints.hub_address import HUB_PREFIX
from ..errors import InputError


def find_trained_model(*, released: str | Path, trained: Sequence[str | Path]) -> str:
    """The bundle's released weights, or else what training with its default output wrote.

    Where neither exists it is the path of the released ones, since MONAI Label and MONAI's checks build the network of
    a bundle that has no weights yet; `check_trained_model` is for whoever needs them.

    Args:
        released: file that a bundle comes with, and that training never writes.
        trained: files that trainings of this bundle write by default; of several that exist the first is meant.

    Raises:
        InputError: both exist, which are two networks.
    """
    own = next((str(path) for path in trained if Path(path).is_file()), None)
    if Path(released).is_file():
        if own is not None:
            raise InputError(
                f"the bundle has weights of its release ({released}) and of a training here ({own}): name one by "
                "`--model_path`"
            )
        return str(released)
    return str(released) if own is None else own


def check_trained_model(*, path: str | Path, trained: Sequence[str | Path]) -> None:
    """Refuse to go on without weights.

    Args:
        path: of the weights that are meant, see `find_trained_model`; on the hub, or the name of a known encoder.
        trained: files that trainings of this bundle write by default, for the message.

    Raises:
        InputError: there is no such file.
    """
    if str(path).startswith(HUB_PREFIX) or find_known(str(path)) is not None or Path(path).expanduser().exists():
        return
    raise InputError(
        f"{path}: no such file, and no training of this bundle wrote {trained[0]}: name weights by `--model_path`, or "
        "train first"
    )
