"""The settings that decide what a run computes, as plain data for its checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monai.bundle.utils import DEFAULT_EXP_MGMT_SETTINGS

from ..data.volumes.partial_labels import stated_items
from .own_files import resolving_parser
from .references import walk

# a component's remarks, and what has to be made before it
_NO_ARGUMENTS = {"_desc_", "_requires_"}
# what MONAI adds to a configuration
_NO_SETTINGS = {"_meta_", "imports", "initialize", "finalize", "run", "use_click", "displayable_configs"}
_NO_SETTINGS |= {key for settings in DEFAULT_EXP_MGMT_SETTINGS.values() for key in settings["configs"]}


def run_settings(
    *,
    may_change: Sequence[str],
    cases: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All keys of the configuration that is being resolved, but for those that may change, with values as written.

    So a key that is added to a configuration is compared on resuming unless somebody says that it may change.

    Args:
        may_change: keys, with all below them, that a resumed run may change.
        cases: data lists by name; of each goes in how many cases it has and a hash of their ids, since folders move.
        facts: further plain values by name, such as what identifies the data.

    Returns:
        Values by key, nested keys as ``a::b``; loads with ``weights_only=True``.
    """
    free = _NO_SETTINGS | set(may_change)
    config = {key: value for key, value in resolving_parser().get().items() if key not in free}
    settings = {
        key: _plain(value)
        for key, value in walk(config)
        if not isinstance(value, Mapping) and key.rpartition("::")[2] not in _NO_ARGUMENTS and not _is_below(key, free)
    }
    for name, listed in (cases or {}).items():
        settings[name] = identity_of_cases(listed)
    return settings | {name: _plain(value) for name, value in (facts or {}).items()}


def _is_below(key: str, names: Iterable[str]) -> bool:
    return any(key == name or key.startswith(f"{name}::") for name in names)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def identity_of_cases(cases: Sequence[Mapping[str, Any]]) -> str:
    """Return the number of cases and a hash of their ids, and of what is not annotated in them, as text to compare."""
    ids: list[Any] = sorted(str(case.get("case_id")) for case in cases)
    if stated := {str(case.get("case_id")): items for case in cases if (items := stated_items(case))}:
        ids.append(stated)  # the same cases with other annotations are other data
    text = json.dumps(ids, sort_keys=True, default=str)
    return f"{len(cases)} cases, SHA-256 of their ids {hashlib.sha256(text.encode()).hexdigest()[:16]}"
