"""List the cases of folders, data sets and data lists for `curate`."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..cases.dataset_json import read_dataset_json
from ..cases.datasets import read_datalist
from ..cases.layout import Section
from ..cases.layouts import recognised_layout
from ..cases.listing import check_unique, list_cases
from ..volumes.ct_or_mr import parse_modality
from ..volumes.file_checks import IMAGE_SUFFIXES
from ..volumes.found_folders import has_data
from ..volumes.text_headers import detached_files

Sources = str | Path | Sequence[str | Path] | Mapping[str, str | Path]


@dataclass(frozen=True, kw_only=True)
class SourceCase:
    """A case to curate.

    Attributes:
        source_set: name of the data set.
        case_id: id of the case, unique within the data set.
        path: path of the file, or of the folder of a DICOM series.
        file: path relative to the source, which is recorded in the store.
        modality: "ct" or "mr".
        series_uid: UID of the series in a DICOM folder; empty if there is only one.
        problem: problem found when cases were listed, see `check_problem`; empty if there is none.
    """

    source_set: str
    case_id: str
    path: str
    file: str
    modality: str
    series_uid: str = ""
    problem: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names by which an exclusion list may refer to the case."""
        return self.case_id, f"{self.source_set}/{self.case_id}", self.file, self.path, os.path.abspath(self.path)

    def key(self) -> str | None:
        """Return a key that changes with the file; None if there is no file."""
        try:
            stats = [(path.name, path.stat()) for path in self._files()]
        except OSError:
            return None
        state = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        identity = [self.source_set, self.case_id, self.file, self.modality, state]
        identity += [text for text in (self.series_uid, self.problem) if text]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]

    def _files(self) -> list[Path]:
        path = Path(self.path)
        if path.is_dir():
            return sorted(entry for entry in path.iterdir() if entry.is_file())
        return [path, *detached_files(path)]


def list_source_cases(sources: Sources, modality: str | None, exclude: Path | None = None) -> list[SourceCase]:
    """List the cases of all sources, in the order of the sources and sorted by id within each.

    A source is a folder with dataset.json (AMOS22, nnU-Net v2 raw or Medical Segmentation Decathlon: all images,
    labelled or not), any other folder tree, a single volume, or a JSON data list: a list of entries, or an object of
    such lists (``{"training": [...], "test": [...]}``); an entry is a path or ``{"image": path, "case_id": id,
    "modality": "ct" | "mr", "series_uid": uid}``, relative to the list's folder; a DICOM folder with several series has
    one entry per series.

    Args:
        sources: one path, several, or a mapping from names to paths; by default a source is named after its folder or
            file.
        modality: "ct" or "mr"; None if every data set or entry states it.
        exclude: folder to skip in folder trees: the store itself.

    Raises:
        InputError: a source is missing, empty or cannot be read; two have the same name; case ids occur twice within
            one; no modality is stated, or two statements differ.
    """
    if modality is not None:
        modality = parse_modality(modality, "modality")
    found: list[SourceCase] = []
    for name, root in _named(sources):
        if not root.exists():
            raise InputError(f"{root}: no such file or folder. Correct the sources.")
        if root.suffix.lower() == ".json":
            cases = _read_list(root, modality)
        elif (root / "dataset.json").is_file():
            cases = _read_data_set(root, modality)
        elif modality is None:
            raise InputError(f"{root}: no modality is stated. Set `modality: ct` or `modality: mr`.")
        else:
            cases = list_cases(root, modality=modality, exclude=exclude)
        check_unique([case["case_id"] for case in cases], [case["image"] for case in cases])
        base = root if root.is_dir() else root.parent
        found += [
            SourceCase(
                source_set=name,
                case_id=case["case_id"],
                path=case["image"],
                file=Path(os.path.relpath(case["image"], base)).as_posix(),
                modality=case["modality"],
                series_uid=case.get("series_uid", ""),
                problem=case.get("problem", ""),
            )
            for case in sorted(cases, key=lambda case: case["case_id"])
        ]
    return found


def _named(sources: Sources) -> list[tuple[str, Path]]:
    if isinstance(sources, Mapping):
        named = [(str(name), Path(path).expanduser()) for name, path in sources.items()]
    else:
        paths = [sources] if isinstance(sources, (str, Path)) else list(sources)
        expanded = [Path(path).expanduser() for path in paths]
        named = [
            (path.absolute().name.split(".")[0] if path.is_file() else path.absolute().name, path) for path in expanded
        ]
    if not named:
        raise InputError("no sources given: name at least one folder, data set or data list")
    recurring = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if recurring:
        raise InputError(
            f"two sources are named '{recurring[0]}': give them different names, as in "
            "--sources '{set_a: /data/a/images, set_b: /data/b/images}'."
        )
    return named


def _read_data_set(root: Path, modality: str | None) -> list[dict[str, str]]:
    content, layout = read_dataset_json(root), recognised_layout(root) or "msd"
    if layout == "nnunet_raw":
        labelled = bool(content.get("dataset")) or has_data(root / "labelsTr")
        has_test = has_data(root / "imagesTs")
    else:
        labelled, has_test = bool(content.get("training")), bool(content.get("test"))
    sections: list[Section] = ["all_labelled"] if labelled else []
    if layout == "amos" and content.get("validation"):
        sections.append("official_validation")
    if has_test:
        sections.append("test")
    cases: list[dict[str, str]] = []
    for section in sections:
        cases += read_datalist(root, layout, section, modality=modality)
    if not cases:
        raise InputError(f"{root / 'dataset.json'}: lists no images. Check the data set, or give its image folder.")
    return cases


def _read_list(path: Path, modality: str | None) -> list[dict[str, str]]:
    content = _read_json(path)
    lists = list(content.values()) if isinstance(content, dict) else [content]
    entries = [entry for part in lists if isinstance(part, list) for entry in part]
    # values that are not lists, such as the name of the data list, are ignored; a list of numbers is an error
    cases = [_list_entry(entry, path, modality) for entry in entries]
    if not cases:
        raise InputError(f"{path}: lists no images. Expected a list of paths or of {{'image': path}}.")
    return cases


def _list_entry(entry: Any, path: Path, modality: str | None) -> dict[str, str]:
    item = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(item, dict) or not isinstance(item.get("image"), str):
        raise InputError(f"{path}: entry {entry!r:.200}; expected a path or {{'image': path}}.")
    relative = item["image"]
    stated = item.get("modality", modality)
    if stated is None:
        raise InputError(f"{path}: entry '{relative}' states no modality. Set `modality: ct` or `modality: mr`.")
    of_case = parse_modality(stated, f"{path}: modality of '{relative}'")
    if modality not in (None, of_case):
        raise InputError(f"{path}: entry '{relative}' says '{of_case}', but modality is '{modality}'. Correct one.")
    return {
        "image": str(path.parent / Path(relative).expanduser()),
        "case_id": str(item.get("case_id") or _default_id(relative)),
        "modality": of_case,
        **({"series_uid": str(item["series_uid"])} if item.get("series_uid") else {}),
    }


def _default_id(relative: str) -> str:
    """Return the path without suffix, with folders joined by ``_`` as for a folder tree."""
    suffix = next((s for s in (".nii.gz", *IMAGE_SUFFIXES) if relative.lower().endswith(s)), "")
    parts = Path(relative[: len(relative) - len(suffix)]).parts
    return "_".join(part for part in parts if part not in (os.sep, os.pardir))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}). Download or write it again.") from error
