"""Check that configurations, metadata and logging settings, which MONAI evaluates, call only what is allowed."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from .allowed import is_component
from .expressions import expression_problem

# keys between underscores that MONAI gives a meaning; others would be arguments of its own functions
_SPECIAL = {"_target_", "_mode_", "_disabled_", "_requires_", "_desc_"}
# keys of hashes; a bundle that came with one would vouch for its own files
_STATED_HASHES = ("model_sha256", "weights_sha256")
_MODES = {"default", "callable"}
# a copy of another part of the same configuration; `%file.json::key` would read any file
_MACRO = re.compile(r"%\w+(?:::\w+)*")
# not what is appended to the bundle's own folder: `@bundle_root + '/models'`
_ABSOLUTE_PATH = re.compile(r"(?:^|(?<!\+ )['\"]|[\s=(])(?:/(?!/)[\w.-]+/|~/|[A-Za-z]:[\\/]|file://)")
_PARENT = re.compile(r"(?:^|[/\\'\"\s])\.\.(?:[/\\'\"]|$)")
# MONAI computes these
_SIDE = re.compile(r"\*|\d{1,6}|(?:\d{1,4}(?: ?\*\* ?p)? ?\* ?)?n")
_NAME = re.compile(r"[A-Za-z]\w{0,99}", re.ASCII)
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}[\w.+-]{0,30}", re.ASCII)
# of logging.conf: Python evaluates `class` and `args`
_LOGGING: Mapping[str, re.Pattern[str]] = {
    "keys": re.compile(r"\w+(?:, ?\w+)*"),
    "level": re.compile(r"DEBUG|INFO|WARNING|ERROR|CRITICAL"),
    "handlers": re.compile(r"\w+"),
    "class": re.compile(r"StreamHandler"),
    "formatter": re.compile(r"\w+"),
    "args": re.compile(r"\(sys\.std(?:err|out),\)"),
    "format": re.compile(r"(?:[\w \[\]:.,|-]|%\(\w+\)s)*"),
}
_LOGGING_SECTION = re.compile(r"loggers|handlers|formatters|(?:logger|handler|formatter)_\w+")
_LARGE_FILE: Mapping[str, re.Pattern[str]] = {
    "path": re.compile(r"models/\w[\w.-]*\.(?:pt|safetensors)", re.ASCII),
    "url": re.compile(r"https://[\w.-]+(?::\d+)?/[\w./%~=&?+-]+", re.ASCII),
    "hash_val": re.compile(r"[0-9a-f]{64}"),
    "hash_type": re.compile(r"sha256"),
}
_EXCERPT = 120


def shown(value: object) -> str:
    """A value in one line, not too long."""
    text = repr(value)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}...{text[0]}"


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        ValueError: the content is not UTF-8, not JSON or not an object, or a key occurs twice: readers differ in which
            of the two they take.
    """
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    return content


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(content := dict(pairs)) != len(pairs):
        raise ValueError(f"a key occurs twice among {shown([key for key, _ in pairs])}")
    return content


def evaluated_problems(name: str, data: bytes) -> list[str]:
    """Return the problems of a file that MONAI evaluates, one line each, with the file's name.

    Args:
        name: ``configs/<name>.json``, ``configs/metadata.json``, ``configs/logging.conf`` or ``large_files.yml``.
        data: its content.
    """
    check: Callable[[bytes], Iterator[str]] = {
        "configs/metadata.json": _metadata_problems,
        "configs/logging.conf": _logging_problems,
        "large_files.yml": _large_file_problems,
    }.get(name, _configuration_problems)
    try:
        return [f"{name}: {problem}" for problem in check(data)]
    except RecursionError:
        return [f"{name}: is nested too deeply"]
    except (ValueError, configparser.Error, yaml.YAMLError) as error:
        return [f"{name}: cannot be read ({' '.join(str(error).split())[:_EXCERPT]})"]


def path_problems(name: str, data: bytes) -> list[str]:
    """Texts of a configuration that name a place outside of the bundle and of the output, a line each."""
    try:
        texts = [(key, value) for key, value, _ in _entries(read_object(data)) if isinstance(value, str)]
    except (ValueError, RecursionError):
        return []  # which `evaluated_problems` says
    found = []
    for key, value in texts:
        if key != "_desc_" and _ABSOLUTE_PATH.search(value):
            found.append(f"{name}: {shown(value)} names a path of one machine")
        elif key != "_desc_" and _PARENT.search(value):
            found.append(f"{name}: {shown(value)} names a folder above")
    return found


def _configuration_problems(data: bytes) -> Iterator[str]:
    for key, value, parent in _entries(read_object(data)):
        if key == "_target_":
            if not isinstance(value, str) or not is_component(value):
                yield f"the component {shown(value)} is not among those that a bundle may use"
        elif key == "_mode_" and not (isinstance(value, str) and value in _MODES):
            yield f"the mode {shown(value)} is not one of {', '.join(sorted(_MODES))}"
        elif key.startswith("_") and key not in _SPECIAL:
            yield f"the key {shown(key)} is none that a bundle may use"
        elif value is not None and (
            (key in _STATED_HASHES and not parent)
            or (key == "sha256" and value not in {f"@{name}" for name in _STATED_HASHES})
        ):
            yield f"{key} is {shown(value)}: of an exported network only its user states the hash"
        if isinstance(value, str):
            yield from _text_problems(value)


def _text_problems(value: str) -> Iterator[str]:
    if value.startswith("$"):
        if problem := expression_problem(value):
            yield f"the expression {shown(value)} {problem}"
    elif value.startswith("%") and not _MACRO.fullmatch(value):
        yield f"{shown(value)} copies from another file or a relative place: only %key of the same configuration may"
    elif value.startswith("@") and "@#" in value.replace("::", "#"):
        yield f"{shown(value)} is a relative reference: write the whole name"


def _entries(node: Any, key: str = "", above: str = "") -> Iterator[tuple[str, Any, str]]:
    """(key, value, key above) of everything in a configuration.

    In the key ``a::b`` of an overlay MONAI puts ``b`` into ``a``, in ``+a`` it adds to ``a``.
    """
    if isinstance(node, dict):
        for name, value in node.items():
            *path, last = re.split("::|#", name.removeprefix("+"))
            inside = "::".join(part for part in (above, key, *path) if part)
            yield last, value, inside
            yield from _entries(value, last, inside)
    elif isinstance(node, list):
        for value in node:
            if not isinstance(value, (dict, list)):
                yield key, value, above
            yield from _entries(value, key, above)


def _metadata_problems(data: bytes) -> Iterator[str]:
    """MONAI puts the metadata into the configuration as ``_meta_`` and evaluates it there."""
    metadata = read_object(data)
    for key, pattern in (("name", _NAME), ("version", _VERSION)):
        if not isinstance(metadata.get(key), str) or not pattern.fullmatch(metadata[key]):
            yield f"its {key} is {shown(metadata.get(key))}, and becomes the name of a file: use letters and digits"
    for key, value, _ in _entries(metadata):
        if key.startswith("_"):
            yield f"the key {shown(key)} has no place in metadata"
        if isinstance(value, str) and value.startswith(("$", "%", "@")):
            yield f"{shown(value)} would be evaluated: metadata hold plain text"
        if key == "spatial_shape":
            for side in value if isinstance(value, list) else [value]:
                if not _SIDE.fullmatch(str(side)):
                    yield f"spatial_shape has the side {shown(side)}: expected a number, '*' or such as '16*n'"


def _logging_problems(data: bytes) -> Iterator[str]:
    parser = configparser.RawConfigParser()
    parser.read_string(data.decode("utf-8"))
    if parser.defaults():
        yield "has a section DEFAULT"
    for section in parser.sections():
        if not _LOGGING_SECTION.fullmatch(section):
            yield f"has a section {shown(section)}"
        for key, value in parser.items(section):
            if key not in _LOGGING or not _LOGGING[key].fullmatch(value):
                yield f"{key}={shown(value)} is none of the settings that a bundle may have"


def _large_file_problems(data: bytes) -> Iterator[str]:
    content = yaml.safe_load(data.decode("utf-8"))
    if (
        not isinstance(content, dict)
        or list(content) != ["large_files"]
        or not isinstance(content["large_files"], list)
    ):
        yield "expected a list large_files and nothing else"
        return
    for entry in content["large_files"]:
        if not isinstance(entry, dict) or set(entry) != set(_LARGE_FILE):
            yield f"{shown(entry)} has other keys than {', '.join(_LARGE_FILE)}"
            continue
        for key, pattern in _LARGE_FILE.items():
            if not isinstance(entry[key], str) or not pattern.fullmatch(entry[key]):
                yield f"{key} is {shown(entry[key])}: expected weights below models/, at an https address, by SHA-256"
