"""The predictions in folders that an evaluation wrote, as their case records describe them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.volumes.regions import Regions
from ..errors import InputError
from ..files import sha256_of
from ..inference.label_map import label_path

_TABLE = "metrics.csv"


@dataclass(frozen=True)
class EvaluatedCases:
    """The predictions of some folders.

    Attributes:
        predictions: path of each case's prediction by the case's id.
        labels: names by number of the labels, the background included.
        regions: nested regions that the labels form; None for classes.
    """

    predictions: Mapping[str, Path]
    labels: Mapping[int, str]
    regions: Regions | None

    @property
    def label_names(self) -> list[str]:
        """Return the names by label, for `score_case`; a number without a name gets none."""
        return [self.labels.get(label, "") for label in range(max(self.labels) + 1)]


def evaluated_cases(folders: Sequence[Path]) -> EvaluatedCases:
    """Read the case records of folders, and of the folders below, such as those of folds.

    Args:
        folders: folders that evaluate.json wrote, or that contain such folders.

    Raises:
        InputError: a folder has no evaluation; a case is in two; a prediction is missing, was edited or post-processed;
            or the cases have different labels.
    """
    found: dict[str, Path] = {}
    first: tuple[Path, dict[int, str], Regions | None] | None = None
    records = [record for folder in folders for record in _case_records(Path(folder).expanduser())]
    for path, content in sorted(records, key=lambda record: record[0]):
        labels, regions = _labels(content), _regions(content)
        if first is None:
            first = path, labels, regions
        if (labels, regions) != first[1:]:
            raise InputError(
                f"{path}: has other labels than {first[0]}: {', '.join(labels.values())} and "
                f"{', '.join(first[1].values())}; give folders of networks with the same labels"
            )
        case_id = str(content["case_id"])
        if case_id in found:
            raise InputError(
                f"case {case_id} is in {found[case_id].parent} and in {path.parent}; expected each case once, by the "
                "network that was not trained on it: leave one folder out"
            )
        found[case_id] = _prediction(path, content)
    if first is None:
        raise InputError("no folder is given: name folders that evaluate.json wrote")
    return EvaluatedCases(found, *first[1:])


def recorded_labels(folder: Path) -> tuple[dict[int, str], Regions | None, Path] | None:
    """Return the labels in the records of the cases in a folder, and the first record; None if there is no record.

    Raises:
        InputError: the records have different labels.
    """
    records = [(path, content) for path in sorted(folder.glob("*.json")) if (content := _case_record(path)) is not None]
    if not records:
        return None
    first, content = records[0]
    labels, regions = _labels(content), _regions(content)
    for path, other in records[1:]:
        if (_labels(other), _regions(other)) != (labels, regions):
            raise InputError(f"{path}: has other labels than {first}; expected a folder of one network")
    return labels, regions, first


def _case_records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the paths and contents of the case records in a folder and in those below."""
    tables = sorted(folder.rglob(_TABLE)) if folder.is_dir() else []
    paths = [path for table in tables for path in sorted(table.parent.glob("*.json"))]
    records = [(path, content) for path in paths if (content := _case_record(path)) is not None]
    if not records:
        raise InputError(
            f"{folder}: no evaluated case ({_TABLE} next to <case>.json and <case>.nii.gz) in it or in the folders "
            "below: give a folder that evaluate.json wrote"
        )
    return records


def _case_record(path: Path) -> dict[str, Any] | None:
    """Return the content of a case record; None for any other file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and {"case_id", "organs", "settings", "files"} <= set(content) else None


def _prediction(record: Path, content: Mapping[str, Any]) -> Path:
    path = label_path(record.parent, str(content["case_id"]))
    if not path.is_file() or sha256_of(path) != content["files"].get(path.name):
        raise InputError(f"{path}: is missing or was edited since it was written; evaluate again with --overwrite True")
    if content["settings"].get("postprocess"):
        raise InputError(
            f"{path}: was post-processed already; evaluate again with --postprocess False, so that there is something "
            "to compare with"
        )
    return path


def _labels(content: Mapping[str, Any]) -> dict[int, str]:
    names = content["settings"]["label_names"]
    items = names.items() if isinstance(names, Mapping) else enumerate(names)
    return {0: "background", **{int(label): str(name) for label, name in items}}


def _regions(content: Mapping[str, Any]) -> Regions | None:
    found = content.get("regions")
    if not found:
        return None
    members = [tuple(facts["labels"]) for facts in found.values()]
    inner: list[tuple[int, ...]] = [*members[1:], ()]
    return Regions(
        convention="the predictions",
        label_names=tuple((label, name) for label, name in _labels(content).items() if label),
        names=tuple(found),
        members=tuple(members),
        # any label of the ring around the next region: scores do not depend on which
        written=tuple(min(set(outer) - set(next_one)) for outer, next_one in zip(members, inner, strict=True)),
    )
