"""``docs/settings.md``: what each key takes and its defaults, from `keys` and the bundles' configurations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files import AtomicFiles, write_text
from .build import merge_layers
from .keys import GROUPS
from .own_files import CHECK_KEY

_HEAD = """# Settings

This page lists the values that the top-level keys of the bundles' configurations accept. It is written by
`python -m meddino_components build`. A value whose meaning is clear is converted (`1e-4` in YAML, `--roi_size 64`,
`"0"` for a number); any other is refused, and the message names the key and what is expected. The defaults of all
configurations with the key are listed, separated by semicolons. *Computed* defaults follow from other keys; for
*a list* and *a longer value*, see the configuration.
"""
_EXCERPT = 60


def settings_page(bundles: Iterable[Path]) -> str:
    """The page, for the configurations of these bundles."""
    found: dict[str, list[str]] = {}
    for bundle in bundles:
        complete = (config for config in merge_layers(bundle).values() if CHECK_KEY in config)
        for key, value in (item for config in complete for item in config.items()):
            if (text := _default(value)) not in found.setdefault(key, []):
                found[key].append(text)
    lines = [_HEAD]
    for group, kinds in GROUPS.items():
        lines += [f"## {group}", "| key | accepted values | default |", "|---|---|---|"]
        for key, kind in kinds.items():
            takes = kind.expected + (", or None" if kind.optional else "")
            lines.append(f"| `{key}` | {takes.replace('|', chr(92) + '|')} | {'; '.join(found.get(key, []))} |")
        lines.append("")
    return "\n".join(lines)


def write_settings_page(folder: Path, bundles: Iterable[Path]) -> Path:
    """Write the page into a folder, in one step."""
    path = folder / "settings.md"
    with AtomicFiles() as files:
        write_text(files.path(path), settings_page(bundles))
    return path


def _default(value: Any) -> str:
    if isinstance(value, str) and value.startswith("@"):
        return f"as `{value[1:]}`"
    if _is_computed(value):
        return "computed"
    if value is None:
        return "None"
    text = repr(value)
    return (
        f"`{text}`"
        if len(text) <= _EXCERPT and "|" not in text
        else "a list"
        if isinstance(value, list)
        else "a longer value"
    )


def _is_computed(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_computed(one) for one in value)
    return (isinstance(value, str) and value.startswith(("$", "%"))) or (
        isinstance(value, dict) and "_target_" in value
    )
