"""Warnings that a run says on the screen: no shipped configuration may cause one."""

from __future__ import annotations

import re

_WARNING = re.compile(r"warning|deprecated", re.IGNORECASE)
# MONAI calls a function of its own with an argument that it has deprecated, and remarks that an overlay of the user's,
# such as a plan, lies elsewhere than the bundle's configurations
_NOT_OURS = re.compile(
    r"^monai\.metrics\.utils get_mask_edges:always_return_as_numpy|WARNING - Not all config files are in"
)


def warnings_said(output: str) -> list[str]:
    """Lines that speak of a warning."""
    lines = re.split(r"[\r\n]+", output)
    return [line for line in lines if _WARNING.search(line) and not _NOT_OURS.search(line)]
