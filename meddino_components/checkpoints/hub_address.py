"""Addresses on the Hugging Face hub: ``hf://owner/name[@revision][/file]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from meddino_components.errors import InputError

HUB_PREFIX = "hf://"
_ADDRESS = re.compile(r"hf://(?P<repository>[^/\s@]+/[^/\s@]+)(?:@(?P<revision>[^/\s@]+))?(?:/(?P<file>\S.*))?")


@dataclass(frozen=True, kw_only=True)
class HubAddress:
    """A place on the hub.

    Attributes:
        repository: ``owner/name``.
        revision: a commit, tag or branch; None is ``main``.
        file: in the repository; None is its only file of weights.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{HUB_PREFIX}{self.repository}{revision}" + (f"/{self.file}" if self.file else "")


def parse_hub_address(source: str) -> HubAddress | None:
    """The parts of an address; None where ``source`` is a path or a name.

    Raises:
        InputError: it begins as an address and is none.
    """
    if not source.startswith(HUB_PREFIX):
        return None
    match = _ADDRESS.fullmatch(source)
    if match is None:
        raise InputError(f"{source}: expected hf://owner/name, hf://owner/name/file or hf://owner/name@revision/file")
    return HubAddress(**match.groupdict())
