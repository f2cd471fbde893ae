"""Find the weights that a bundle's evaluation and inference use if the user names none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..checkpoints import find_known
from ..checkpoints.hub_address import HUB_PREFIX
from ..errors import InputError
from ..inference.model import paths_of


def find_trained_model(*, released: str | Path, trained: Sequence[str | Path]) -> str:
    """Find the bundle's released weights, or otherwise what its training wrote to the default place.

    If neither exists, the result is the path of the released weights, since MONAI Label and MONAI's checks build the
    network of a bundle without weights. Code that needs the weights calls `check_trained_model`.

    Args:
        released: file that a bundle comes with; training never writes it.
        trained: files that trainings of this bundle write by default; the first that exists is taken.

    Raises:
        InputError: both exist.
    """
    own = next((str(path) for path in trained if Path(path).is_file()), None)
    if Path(released).is_file():
        if own is not None:
            raise InputError(
                f"the bundle has released weights ({released}) and weights from a training here ({own}): choose one by "
                "`--model_path`"
            )
        return str(released)
    return str(released) if own is None else own


def check_trained_model(*, path: str | Path | Sequence[str | Path], trained: Sequence[str | Path]) -> None:
    """Refuse to continue without weights.

    Args:
        path: the weights to use, see `find_trained_model`: a file, a place on the Hub or the name of a known encoder;
            or several of them.
        trained: files that trainings of this bundle write by default, for the message.

    Raises:
        InputError: the file does not exist.
    """
    for one in paths_of(path):
        if str(one).startswith(HUB_PREFIX) or find_known(str(one)) is not None or Path(one).expanduser().exists():
            continue
        raise InputError(
            f"{one}: no such file, and no training of this bundle wrote {trained[0]}: name weights by `--model_path`, "
            "or train first"
        )
