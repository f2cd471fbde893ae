"""Post-processing as plain data, as the record of weights and the JSON of a case store it.

A record may come from an untrusted file, so it names a step of this list, never a component to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InputError
from .fill_holes import FillHoles
from .label_map_steps import OrganSteps
from .largest_component import LargestComponent
from .smallest_size import SmallestSize
from .step import PostprocessingStep

KNOWN: dict[str, type[PostprocessingStep]] = {step.name: step for step in (LargestComponent, FillHoles, SmallestSize)}


def plain_steps(steps: OrganSteps) -> dict[str, list[dict[str, Any]]]:
    """Return the steps of each organ as JSON, ``{"liver": [{"step": "largest_component", "connectivity": 3}]}``."""
    return {organ: [step.plain() for step in of_organ] for organ, of_organ in steps.items()}


def read_steps(
    plain: Mapping[str, Sequence[Mapping[str, Any]]], source: str
) -> dict[str, tuple[PostprocessingStep, ...]]:
    """Return the steps of each organ.

    Args:
        plain: steps as `plain_steps` returns them.
        source: path of the weights, for messages.

    Raises:
        InputError: a step is unknown, or has a setting that this version does not know.
    """
    return {organ: tuple(_read(step, organ, source) for step in of_organ) for organ, of_organ in plain.items()}


def _read(plain: Mapping[str, Any], organ: str, source: str) -> PostprocessingStep:
    settings = dict(plain)
    name = settings.pop("step", None)
    try:
        return KNOWN[str(name)](**settings)
    except (KeyError, TypeError, InputError) as error:
        raise InputError(
            f"{source}: its record has the post-processing {dict(plain)} for {organ!r}, expected one of "
            f"{', '.join(KNOWN)} with its settings: pass --postprocess False, or install the version of meddino that "
            "wrote it"
        ) from error
