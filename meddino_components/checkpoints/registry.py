"""Encoders that others published, by short name: ``registry.yaml`` says what is known of each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml

from ..errors import InputError
from ..networks import complete_architecture
from .hub_address import HubAddress, parse_hub_address

_FILE = Path(__file__).with_name("registry.yaml")


@dataclass(frozen=True, kw_only=True)
class KnownEncoder:
    """What is known of a published encoder; None where nobody could verify it.

    Attributes:
        name: short, as in ``--weights meddinov3-b``.
        repository: ``owner/name`` on the Hugging Face hub.
        file: in the repository.
        revision: the commit that ``sha256`` belongs to.
        sha256: of the file.
        original_sha256: first digits of the SHA-256 of the authors' own file.
        architecture: every argument of `DinoVisionTransformer` that describes the encoder.
        intensity: ``picture`` or ``scan``, see `FrozenEncoder`.
        mean, std: of the three channels of a picture from 0 to 1.
        input_px: side of the images that it was published for.
        modality: what it saw in training.
        licence: of the weights.
        paper: where it is described.
        not_read: why the importer refuses the file.
        note: what could not be verified.
    """

    name: str
    repository: str
    file: str | None
    revision: str | None
    sha256: str | None
    original_sha256: str | None
    architecture: Mapping[str, Any]
    intensity: Literal["scan", "picture"] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    input_px: int
    modality: str
    licence: str
    paper: str
    not_read: str | None
    note: str | None

    @property
    def source(self) -> str:
        """``hf://owner/name@revision/file``."""
        return str(HubAddress(repository=self.repository, revision=self.revision, file=self.file))


@lru_cache(maxsize=1)
def known_encoders() -> Mapping[str, KnownEncoder]:
    """All of the registry, in its order."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType(
        {name: _entry(name, {**content["defaults"], **entry}) for name, entry in content["encoders"].items()}
    )


def find_known(source: str) -> KnownEncoder | None:
    """The registry's entry for a short name, or for a place on the hub at the revision that the entry is about."""
    address = parse_hub_address(source)
    if address is None:
        # a file or folder of the user's comes first
        return None if Path(source).expanduser().exists() else known_encoders().get(source)
    for entry in known_encoders().values():
        same = (address.file in (None, entry.file), address.revision in (None, entry.revision))
        if address.repository == entry.repository and all(same):
            return entry
    return None


def find_by_sha256(digest: str) -> KnownEncoder | None:
    """The encoder that a file holds, by its SHA-256."""
    for entry in known_encoders().values():
        if digest == entry.sha256 or (entry.original_sha256 and digest.startswith(entry.original_sha256)):
            return entry
    return None


def intensity_of(*, weights: str, stated: Literal["scan", "picture"] | None = None) -> Literal["scan", "picture"]:
    """How images have to be normalised for an encoder: as stated, as the registry says, or else as scans.

    Args:
        weights: see `resolve`.
        stated: what the user says.

    Raises:
        InputError: ``stated`` is neither, or the encoder needs another normalisation than these two.
    """
    if stated not in ("scan", "picture", None):
        raise InputError(f"intensity is {stated!r}; expected 'scan' or 'picture'")
    known = find_known(weights)
    if stated is not None or known is None:
        return stated or "scan"
    if known.intensity is None:
        raise InputError(
            f"{weights} needs a normalisation of images that is not there; state intensity, scan or picture"
        )
    return known.intensity


def near_names(name: str) -> list[str]:
    """Short names like ``name``, at most two."""
    return difflib.get_close_matches(name.lower(), known_encoders(), n=2, cutoff=0.6)


def registry_table() -> str:
    """The registry as a Markdown table, which ``docs/weights.md`` shows."""
    lines = ["| name | network | images | licence, paper | source |", "|---|---|---|---|---|"]
    for entry in known_encoders().values():
        facts = entry.architecture
        network = f"{facts['embed_dim']} wide, {facts['depth']} blocks, patch {facts['patch_size']}"
        network += "" if facts["qkv_bias"] else ", no qkv bias"
        pinned = "pinned by SHA-256" if entry.sha256 else "not pinned"
        remarks = [pinned, *([f"not read yet: {entry.not_read}"] if entry.not_read else [])]
        lines.append(
            f"| `{entry.name}` | {network} | {entry.modality}, {entry.input_px} px | {entry.licence}; {entry.paper} "
            f"| [{entry.repository}](https://huggingface.co/{entry.repository}); {'; '.join(remarks)} |"
        )
    return "\n".join(lines) + "\n"


def _entry(name: str, facts: Mapping[str, Any]) -> KnownEncoder:
    architecture = dict(facts["architecture"])
    preset = architecture.pop("preset")
    made = {
        **facts,
        "architecture": MappingProxyType(complete_architecture(preset, **architecture)),
        "mean": facts["mean"] and tuple(facts["mean"]),
        "std": facts["std"] and tuple(facts["std"]),
    }
    return KnownEncoder(name=name, **made)
