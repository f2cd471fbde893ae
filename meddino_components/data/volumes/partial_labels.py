"""What a case says about its labels: other numbers in the file, classes that nobody annotated, voxels to ignore.

A case may have the items ``label_values`` (`stated_values`) and ``annotated`` (`annotated_labels`). K labels, 0 is the
background.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ...ignored_label import IGNORE
from ...near_names import near_name

_ITEMS = ("annotated", "label_values")
_NAMED = "expected names of labels without the background"


def stated_items(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry of a data list says about its labels: ``annotated`` and ``label_values``, if it has them."""
    return {name: entry[name] for name in _ITEMS if entry.get(name) is not None}


def stated_values(case: Mapping[Any, Any]) -> dict[int, int]:
    """Return ``label_values`` of a case, {value in the file: label}; values that are not listed stay as they are.

    Raises:
        InputError: ``label_values`` is no mapping between numbers from 0 to 255.
    """
    stated = case.get("label_values")
    if stated is None:
        return {}
    try:
        values = {int(value): int(label) for value, label in stated.items()}
        if not all(0 <= number <= IGNORE for pair in values.items() for number in pair):
            raise ValueError
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{_name_of(case)}: label_values is {stated!r:.200}; expected numbers from 0 to {IGNORE}, "
            f"{{value in the file: label}}, with {IGNORE} for voxels that nobody annotated"
        ) from error
    return values


def with_stated_values(labels: NDArray[np.uint8], case: Mapping[Any, Any]) -> NDArray[np.uint8]:
    """Return the labels that the values of a file stand for, by ``label_values`` of its case."""
    values = stated_values(case)
    if not values:
        return labels
    table = np.arange(256, dtype=np.uint8)
    table[list(values)] = list(values.values())
    return table[labels]


def annotated_labels(
    case: Mapping[Any, Any], label_names: Sequence[str] | Mapping[int, str], n_labels: int | None = None
) -> Tensor | None:
    """Return which labels were annotated in a case, boolean [K]; None if the case does not say, so that all were.

    The background and numbers without a name count as annotated.

    Args:
        case: case that may have ``annotated``, a list of names, or what this function made of it.
        label_names: names by label; in a list the background comes first.
        n_labels: number of labels K; None counts up to the highest name.

    Raises:
        InputError: ``annotated`` is no list of names, or names an unknown label.
    """
    stated = case.get("annotated")
    if stated is None or isinstance(stated, Tensor):
        return stated
    names = numbered_names(label_names)
    if not isinstance(stated, Sequence) or isinstance(stated, str):
        raise InputError(f"{_name_of(case)}: annotated is {stated!r:.200}; {_NAMED}: {_listed(names.values())}")
    wanted = {str(name) for name in stated}
    if unknown := sorted(wanted - set(names.values())):
        near = near_name(unknown[0], list(names.values()))
        raise InputError(
            f"{_name_of(case)}: annotated names {unknown[0]!r}; {_NAMED}: {_listed(names.values())}"
            + (f". Did you mean {near!r}?" if near else ". Correct the data list")
        )
    mask = torch.ones(max(names) + 1 if n_labels is None else n_labels, dtype=torch.bool)
    for label, name in names.items():
        mask[label] = name in wanted
    return mask


def check_partial_labels(
    labels: NDArray[Any], case: Mapping[Any, Any], label_names: Sequence[str] | Mapping[int, str], path: str
) -> dict[Hashable, Any]:
    """Compare a label map with what its case says; return the items that change: ``annotated`` as a mask, if stated.

    Args:
        labels: label map of the case, after `with_stated_values`.
        case: case with ``annotated`` or without.
        label_names: names by label.
        path: file of the labels, for messages.

    Raises:
        InputError: the map has a class that was not annotated, or `IGNORE` while the case does not say that it has;
            see `annotated_labels`.
    """
    if labels.max(initial=0) == IGNORE and IGNORE not in stated_values(case).values():
        raise InputError(
            f"{path}: contains label {IGNORE}, which means voxels that nobody annotated; expected labels with names. "
            f"Renumber the labels, or add label_values to the case: {{{IGNORE}: 1}} if it is label 1, "
            f"{{{IGNORE}: {IGNORE}}} if nobody annotated these voxels"
        )
    mask = annotated_labels(case, label_names)
    if mask is None:
        return {}
    names = numbered_names(label_names)
    if strange := [int(label) for label in np.unique(labels) if int(label) in names and not mask[int(label)]]:
        known = [name for label, name in names.items() if mask[label]]
        raise InputError(
            f"{path}: contains label {strange[0]} ({names[strange[0]]}), but the case says that only "
            f"{_listed(known) or 'nothing'} was annotated. Add {names[strange[0]]!r} to 'annotated' of the case, or "
            "correct the label map"
        )
    return {"annotated": mask}


def require_whole_labels(cases: Iterable[Mapping[str, Any]], use: str) -> None:
    """Refuse cases that lack annotations where every label counts.

    Args:
        cases: cases with labels.
        use: what the labels are used for, for messages: "scores of patches".

    Raises:
        InputError: a case has ``annotated``, or voxels that nobody annotated.
    """
    for case in cases:
        if case.get("annotated") is not None or IGNORE in stated_values(case).values():
            raise InputError(
                f"{_name_of(case)}: has classes or voxels that nobody annotated, which {use} would count as "
                "background; expected cases in which everything was annotated. Leave this case out"
            )


def numbered_names(label_names: Sequence[str] | Mapping[int, str]) -> dict[int, str]:
    """Return the names of labels by number, without the background."""
    numbered = label_names.items() if isinstance(label_names, Mapping) else enumerate(label_names)
    return {int(number): str(name) for number, name in numbered if int(number) > 0}


def _name_of(case: Mapping[Any, Any]) -> str:
    return f"case {case.get('case_id', '?')}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
