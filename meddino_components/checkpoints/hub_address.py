"""Parse and write addresses on the Hugging Face Hub: ``hf://owner/name[@revision][/file]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from meddino_components.errors import InputError

HUB_PREFIX = "hf://"
_ADDRESS = re.compile(r"hf://(?P<repository>[^/\s@]+/[^/\s@]+)(?:@(?P<revision>[^/\s@]+))?(?:/(?P<file>\S.*))?")


@dataclass(frozen=True, kw_only=True)
class HubAddress:
    """An address on the Hugging Face Hub.

    Attributes:
        repository: ``owner/name``.
        revision: commit, tag or branch; None stands for ``main``.
        file: path within the repository; None stands for its only file of weights.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{HUB_PREFIX}{self.repository}{revision}" + (f"/{self.file}" if self.file else "")


def parse_hub_address(source: str) -> HubAddress | None:
    """Split an address into its parts; None if ``source`` is a path or a name.

    Raises:
        InputError: ``source`` begins like an address but is not valid.
    """
    if not source.startswith(HUB_PREFIX):
        return None
    match = _ADDRESS.fullmatch(source)
    if match is None:
        raise InputError(f"{source}: expected hf://owner/name, hf://owner/name/file or hf://owner/name@revision/file")
    return HubAddress(**match.groupdict())
