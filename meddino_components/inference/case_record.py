"""What ``<case>.json`` says about the files beside it: their hashes, and what they were made from and with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..data.cases.case_files import case_files
from ..data.volumes.stamps import file_stamp
from ..files import is_unchanged, sha256_of


def provenance(
    written: Mapping[Path, Path], *, source: str | None, model_sha256: str | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The part of a case's JSON by which a later run knows whether the case is complete.

    Args:
        written: where the content of each file lies, by its final path.
        source: `source_digest` of the case; None where it is not known.
        model_sha256: of the weights.
        settings: that decide the labels, or which files there are.

    Returns:
        "files", "source_digest", "model_sha256", "settings" and "settings_digest".
    """
    return {
        "files": {final.name: sha256_of(temporary) for final, temporary in written.items()},
        "source_digest": source,
        "model_sha256": model_sha256,
        "settings": plain(settings),
        "settings_digest": settings_digest(settings),
    }


def is_complete(
    report: Path, names: Iterable[str], *, source: str | None, model_sha256: str | None, settings: Mapping[str, Any]
) -> bool:
    """Whether a case's files are whole, unedited, and what this run would write.

    Args:
        report: ``<case>.json``, which is written last.
        names: of the other files that this run would write.
        source: see `provenance`; this and the others are those of this run.
    """
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
        hashes: dict[str, str] = content["files"]
        same = (
            source is not None
            and content["source_digest"] == source
            and content["model_sha256"] == model_sha256
            and content["settings_digest"] == settings_digest(settings)
        )
        return (
            same
            and set(names) <= set(hashes)
            and is_unchanged(report)
            and all(sha256_of(report.with_name(name)) == digest for name, digest in hashes.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # missing, torn, or another program's


def source_digest(case: Mapping[str, Any]) -> str | None:
    """Changes with the names, sizes and times of the files that a case is read from; says none of them.

    None for an image that is in memory: nothing tells two of them apart.
    """
    series = case.get("series_uid")
    if not (files := input_files({"image": case.get("image")})):
        return None
    stamps = [file_stamp(path) for path in files]
    return hashlib.sha256(json.dumps([stamps, case.get("modality"), series]).encode("ascii")).hexdigest()


def input_files(case: Mapping[str, Any]) -> list[str]:
    """The files and folders that a case is read from; none for an image that is in memory."""
    image = case.get("image")
    images = image.values() if isinstance(image, Mapping) else [image]
    return case_files(dict(case)) if all(isinstance(one, (str, Path)) for one in images) else []


def settings_digest(settings: Mapping[str, Any]) -> str:
    """A hash of settings, whatever the order of their names."""
    return hashlib.sha256(json.dumps(plain(settings), sort_keys=True).encode("ascii")).hexdigest()


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them; what has no JSON by the text that says what it is."""
    content: dict[str, Any] = json.loads(json.dumps(dict(settings), default=str))
    return content
