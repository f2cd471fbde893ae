"""Describe a case's files in ``<case>.json``: their hashes, input, weights and settings."""

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
    """Return the part of a case's JSON that lets a later run decide whether the case is complete.

    Args:
        written: current path of each file, by its final path.
        source: `source_digest` of the case; None if unknown.
        model_sha256: SHA-256 of the weights.
        settings: settings that affect the labels or the list of files.

    Returns:
        A dict with "files", "source_digest", "model_sha256", "settings" and "settings_digest".
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
    """Return whether a case's files are complete, unedited, and the same as this run would write.

    Args:
        report: path of ``<case>.json``, which is written last.
        names: names of the other files that this run would write.
        source: `source_digest` of the case in this run; the other arguments are this run's, too, see `provenance`.
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
        return False  # missing, incomplete, or written by another program


def source_digest(case: Mapping[str, Any]) -> str | None:
    """Hash the names, sizes and times of the files that a case is read from; the hash reveals none of them.

    None for an image in memory, as nothing distinguishes two of them.
    """
    series = case.get("series_uid")
    if not (files := input_files({"image": case.get("image")})):
        return None
    stamps = [file_stamp(path) for path in files]
    return hashlib.sha256(json.dumps([stamps, case.get("modality"), series]).encode("ascii")).hexdigest()


def input_files(case: Mapping[str, Any]) -> list[str]:
    """Return the files and folders that a case is read from; none for an image in memory."""
    image = case.get("image")
    images = image.values() if isinstance(image, Mapping) else [image]
    return case_files(dict(case)) if all(isinstance(one, (str, Path)) for one in images) else []


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Hash settings, whatever the order of their names."""
    return hashlib.sha256(json.dumps(plain(settings), sort_keys=True).encode("ascii")).hexdigest()


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert settings to JSON types; values without a JSON type become their text."""
    content: dict[str, Any] = json.loads(json.dumps(dict(settings), default=str))
    return content
