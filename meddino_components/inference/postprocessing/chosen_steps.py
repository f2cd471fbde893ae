"""Decide which steps a network's label maps get: those of its record, or those typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ...errors import InputError
from .label_map_steps import OrganSteps, Structure, check_steps
from .recorded_steps import plain_steps, read_steps
from .step import PostprocessingStep


def chosen_steps(
    *,
    recorded: Mapping[str, Any] | None,
    typed: OrganSteps | Literal[False] | None,
    structures: Sequence[Structure],
    source: str,
) -> dict[str, tuple[PostprocessingStep, ...]]:
    """Return the steps of each organ or region that has any.

    Args:
        recorded: steps in the record of the weights, as JSON; None if it has none.
        typed: steps of the user; False for no post-processing, None if not typed.
        structures: organs or regions of the label map.
        source: path of the weights, for messages.

    Raises:
        InputError: the typed steps differ from those of the record, or steps are not valid, see `check_steps`.
    """
    if typed is False:
        return {}
    given = None if typed is None else check_steps(typed, structures, "postprocess")
    if recorded is None:
        return given or {}
    in_record = check_steps(read_steps(recorded, source), structures, f"{source}: the post-processing in its record")
    if given is not None and plain_steps(given) != plain_steps(in_record):
        raise InputError(
            f"{source}: its record contradicts these settings: postprocess is {plain_steps(in_record)} in the record, "
            f"but set to {plain_steps(given)}. Omit it, or pass --postprocess False for no post-processing"
        )
    return in_record
