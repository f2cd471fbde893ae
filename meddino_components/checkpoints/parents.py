"""Describe the files that weights were made from, for their record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .record_files import read_record
from .registry import find_known
from .source import pinned_address, resolve


@dataclass(frozen=True)
class Parent:
    """A file that training or conversion started from.

    Attributes:
        facts: ``source``, ``sha256``, ``role`` and ``record_id``, as `WeightsRecord.parents` holds them.
        licences: licences of the file, which weights made from it inherit.
    """

    facts: Mapping[str, Any]
    licences: tuple[str, ...]


def parent_of(source: str, sha256: str, role: str) -> Parent:
    """Describe a loaded file as a parent.

    Args:
        source: the file as the user named it: a path, ``hf://owner/name[/file]`` or the name of a known encoder.
        sha256: SHA-256 of the file.
        role: part of the network that it provided, such as ``encoder``.
    """
    path = resolve(source)
    record, known = read_record(path), find_known(source)
    facts = {
        # only the name: folders differ between machines
        "source": pinned_address(source, path) or (source if known else Path(source).name),
        "sha256": sha256,
        "role": role,
        "record_id": None if record is None else record.id,
    }
    inherited = record.licences if record is not None else (known.licence,) if known is not None else ()
    return Parent(facts, tuple(inherited))
