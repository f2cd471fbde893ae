"""The architecture that a weight file states about itself, read without building a network."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from meddino_components.errors import InputError
from meddino_components.networks import ARCHITECTURE_ARGUMENTS, RUN_ARGUMENTS, DinoVisionTransformer

# metadata of a safetensors file, and the last part of a member of a torch file
_KEY, _RECORD_KEY, _RECORD_MEMBER = "architecture", "meddino", "extra/meddino.json"


def describe_architecture(backbone: DinoVisionTransformer) -> str:
    """What a file has to state so that its tensors give the features again, as JSON for its metadata."""
    return json.dumps({name: backbone.arguments[name] for name in ARCHITECTURE_ARGUMENTS})


def read_stated_architecture(path: Path, payload: Any = None) -> dict[str, Any] | None:
    """Arguments of the backbone in a file, or of the backbone of the segmenter in it; None where it states none.

    Args:
        path: of the file.
        payload: its content, see `read_payload`; a ``.pt`` of `write_weights` holds its metadata there.

    Raises:
        InputError: what stands there is no architecture.
    """
    text = _text(path, payload)
    if text is None:
        return None
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: its record is no JSON ({error}); write the weights again") from error
    if isinstance(stated, Mapping) and _KEY in stated:
        stated = stated[_KEY]
    if isinstance(stated, Mapping) and "backbone" in stated:
        stated = stated["backbone"]
    if not isinstance(stated, Mapping):
        return None
    found = {name: value for name, value in stated.items() if name in ARCHITECTURE_ARGUMENTS}
    strangers = set(stated) - set(found) - set(RUN_ARGUMENTS) - {"_target_"}
    if strangers or not all(isinstance(value, (bool, int, float, str, type(None))) for value in found.values()):
        raise InputError(f"{path}: states an architecture that is none of a backbone: {dict(stated)}"[:400])
    return found


def _text(path: Path, payload: Any) -> str | None:
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return metadata.get(_RECORD_KEY) or metadata.get(_KEY)
    metadata = payload.get("metadata") if isinstance(payload, Mapping) else None
    if isinstance(metadata, Mapping) and isinstance(metadata.get(_KEY), str):
        return str(metadata[_KEY])
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        member = next((name for name in archive.namelist() if name.endswith(_RECORD_MEMBER)), None)
        return None if member is None else archive.read(member).decode(errors="replace")
