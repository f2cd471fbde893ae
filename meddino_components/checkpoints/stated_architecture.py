"""Read the encoder's architecture from the record of a weight file, without building a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meddino_components.errors import InputError
from meddino_components.networks import ARCHITECTURE_ARGUMENTS

from .architecture import encoder_part
from .record_files import read_record


def read_stated_architecture(path: Path) -> dict[str, Any] | None:
    """Return the arguments of a file's backbone, or of its segmenter's backbone; None if the file states none.

    Args:
        path: path of the weight file.

    Raises:
        InputError: the record is damaged, or states arguments that no backbone has.
    """
    record = read_record(path)
    if record is None or record.architecture is None:
        return None
    stated = encoder_part(record.architecture)
    found = {name: value for name, value in stated.items() if name in ARCHITECTURE_ARGUMENTS}
    if not found or not all(isinstance(value, (bool, int, float, str, type(None))) for value in found.values()):
        raise InputError(f"{path}: states an architecture that is not a backbone's: {record.architecture}"[:400])
    return found
