"""Define the two modalities, CT and MR, and parse their names."""

from __future__ import annotations

from typing import Literal

from ...errors import InputError

Modality = Literal["ct", "mr"]
MODALITIES: tuple[Modality, ...] = ("ct", "mr")


def parse_modality(value: object, what: str) -> Modality:
    """Parse "ct" or "mr" from a string in upper or lower case.

    Raises:
        InputError: the value is neither.
    """
    for modality in MODALITIES:
        if isinstance(value, str) and value.lower() == modality:
            return modality
    raise InputError(f"{what} is {value!r}; expected 'ct' or 'mr'.")
