"""Look up published encoders by short name; ``registry.yaml`` states what is known about each."""

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
    """The known facts about a published encoder; None for facts that nobody could verify.

    Attributes:
        name: short name, as in ``--weights meddinov3-b``.
        repository: ``owner/name`` on the Hugging Face hub.
        file: path of the weight file within the repository.
        revision: commit that ``sha256`` belongs to.
        sha256: SHA-256 of the file.
        original_sha256: first digits of the SHA-256 of the authors' own file.
        architecture: every argument of `DinoVisionTransformer` that describes the encoder.
        intensity: ``picture`` or ``scan``, see `FrozenEncoder`.
        mean, std: mean and standard deviation of the three channels of a picture with values from 0 to 1.
        input_px: side in pixels of the images that it was published for.
        modality: kind of images that it was trained on.
        licence: licence of the weights.
        paper: paper that describes it.
        not_read: reason why the importer refuses the file.
        note: facts that could not be verified, in words.
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
    """Return all encoders of the registry, in its order."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType(
        {name: _entry(name, {**content["defaults"], **entry}) for name, entry in content["encoders"].items()}
    )


def find_known(source: str) -> KnownEncoder | None:
    """Return the registry's entry for a short name, or for an address on the hub at the entry's revision."""
    address = parse_hub_address(source)
    if address is None:
        # a file or folder of the user takes precedence
        return None if Path(source).expanduser().exists() else known_encoders().get(source)
    for entry in known_encoders().values():
        same = (address.file in (None, entry.file), address.revision in (None, entry.revision))
        if address.repository == entry.repository and all(same):
            return entry
    return None


def find_by_sha256(digest: str) -> KnownEncoder | None:
    """Return the encoder that a file with this SHA-256 holds; None if unknown."""
    for entry in known_encoders().values():
        if digest == entry.sha256 or (entry.original_sha256 and digest.startswith(entry.original_sha256)):
            return entry
    return None


def intensity_of(*, weights: str, stated: Literal["scan", "picture"] | None = None) -> Literal["scan", "picture"]:
    """Return how images are normalised for an encoder: as stated, else as in the registry, else as scans.

    Args:
        weights: path, address or name of the weights, see `resolve`.
        stated: normalisation that the user states; None to look it up.

    Raises:
        InputError: ``stated`` is neither "scan" nor "picture", or the encoder needs a third kind of normalisation.
    """
    if stated not in ("scan", "picture", None):
        raise InputError(f"intensity is {stated!r}; expected 'scan' or 'picture'")
    known = find_known(weights)
    if stated is not None or known is None:
        return stated or "scan"
    if known.intensity is None:
        raise InputError(
            f"{weights} needs an image normalisation that is not supported; set intensity to scan or picture"
        )
    return known.intensity


def near_names(name: str) -> list[str]:
    """Return short names similar to ``name``, at most two."""
    return difflib.get_close_matches(name.lower(), known_encoders(), n=2, cutoff=0.6)


def registry_table() -> str:
    """Return the registry as the Markdown table in ``docs/weights.md``."""
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
