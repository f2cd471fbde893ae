"""Join the settings of networks that segment together, once they fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..errors import InputError
from .model_settings import ModelSettings


def joined_settings(members: Sequence[ModelSettings]) -> ModelSettings:
    """Return the settings of an ensemble: what all networks share, and the settings of each under ``members``.

    Names of labels, regions, channels, modality, orientation, the rule of normalisation and the steps of
    post-processing must be the same, as all networks see the same image and decide on the same labels. The order of the
    networks has no effect.

    Raises:
        InputError: two networks do not fit together; names both, the setting and both values.
    """
    ordered = sorted(members, key=lambda member: (member.record_id or "", member.source))
    first = ordered[0]
    for other in ordered[1:]:
        for setting, ours, theirs in _shared(first, other):
            if ours != theirs:
                raise InputError(
                    f"{first.source} and {other.source} cannot segment together: {setting} is {_shown(ours)} in the "
                    f"first and {_shown(theirs)} in the second, expected the same; give weights that agree in it"
                )
    source = ", ".join(member.source for member in ordered)
    return replace(first, source=source, record=None, architecture=None, members=tuple(ordered))


def _shared(first: ModelSettings, second: ModelSettings) -> Iterator[tuple[str, Any, Any]]:
    for label in sorted({*first.labels, *second.labels}):
        yield f"label {label}", first.labels.get(label), second.labels.get(label)
    both = (first.regions, second.regions)
    named = [None if one is None else dict(zip(one.names, one.members, strict=True)) for one in both]
    yield "regions", named[0], named[1]
    written = [None if one is None else one.written for one in both]
    yield "the label of each region", written[0], written[1]
    for name in ("channel_names", "modality", "axcodes", "fingerprint", "background"):
        yield name, getattr(first, name), getattr(second, name)
    # `--postprocess False` makes them agree
    yield "postprocess", first.postprocess_settings, second.postprocess_settings


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)
