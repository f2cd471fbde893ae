"""List the cases in a path, a folder or a list of paths."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import InputError
from ...wording import counted
from ..volumes.ct_or_mr import parse_modality
from ..volumes.dicom import has_dicom_files, is_dicom_file, list_series, read_uids
from ..volumes.file_checks import IMAGE_SUFFIXES, is_image, stem_of
from ..volumes.found_folders import walk
from .data_set_folders import data_sets_of, holds_labels


def list_cases(
    source: str | Path | Iterable[str | Path],
    *,
    modality: str | None = None,
    exclude: str | Path | None = None,
    series_uid: str | Sequence[str] | None = None,
) -> list[dict[str, str]]:
    """Return case dicts for inference.

    Args:
        source: path of a NIfTI, NRRD or MetaImage file; a folder, which is searched with its subfolders (links are
            followed; hidden files and label folders such as ``labelsTr`` are skipped; a folder with DICOM files,
            whatever their names, is one case); or a list of files and DICOM folders.
        modality: "ct" or "mr"; None uses the tags of DICOM files, and then all files must be DICOM.
        exclude: folder to skip, for predictions that are written below ``source``.
        series_uid: one or several SeriesInstanceUIDs: only DICOM folders of ``source`` that contain such a series are
            cases.

    Returns:
        ``{"image": path, "case_id": id, "modality": modality}``, sorted by path, "modality" only if it is given and
        "series_uid" only if requested. The id is the path below the folder (for a list, below the common part of its
        paths) without suffix, folders joined by ``_``, so that two files named ``imaging.nii.gz`` get different ids; in
        ``imagesTr``, ``imagesVa`` and ``imagesTs`` it is just the case's name, the same as for its label. Cases whose
        DICOM series is spread over several folders have an item "problem", see `check_problem`.

    Raises:
        InputError: nothing is found, a file is of another kind, a path is given twice, two paths give the same id,
            nothing states a file's modality, or a series does not exist.
    """
    modality = None if modality is None else parse_modality(modality, "modality")
    paths, base = image_paths(source, exclude)
    if modality is None and (files := [path for path in paths if not path.is_dir()]):
        raise InputError(
            f"{files[0]}: no modality is given, and only DICOM files contain it. Set the modality: ct or mr"
        )
    uids = [series_uid] if isinstance(series_uid, str) else [str(uid) for uid in series_uid or ()]
    chosen = _with_series(paths, uids) if uids else [(path, None) for path in paths]
    ids = _case_ids([path for path, _ in chosen], base.absolute())
    check_unique(ids, [str(path) for path, _ in chosen])
    problems = _parted_series(chosen)
    return [
        {"image": str(path), "case_id": case_id}
        | ({"modality": modality} if modality else {})
        | ({"series_uid": uid} if uid else {})
        | ({"problem": problems[path]} if path in problems else {})
        for (path, uid), case_id in zip(chosen, ids, strict=True)
    ]


def image_paths(source: str | Path | Iterable[str | Path], exclude: str | Path | None) -> tuple[list[Path], Path]:
    """Return the files and DICOM folders of a source (see `list_cases`), sorted, and a folder that contains them all.

    Raises:
        InputError: nothing is found, or a file is of another kind.
    """
    if isinstance(source, (str, Path)):
        root = Path(source).expanduser()
        if not root.exists():
            raise InputError(
                f"{root}: no such file or folder. Give a NIfTI, NRRD or MetaImage file, the folder of a DICOM series, "
                "or a folder of them"
            )
        if root.is_dir() and holds_labels(root):
            raise InputError(f"{root}: contains labels, not scans. Give the folder of images next to it")
        paths = _search(root, Path(exclude).expanduser().resolve() if exclude else None) if root.is_dir() else [root]
        base = root if root.is_dir() and paths != [root] else root.parent
    else:
        paths = [Path(path).expanduser() for path in source]
        base = Path(os.path.commonpath([path.absolute().parent for path in paths])) if paths else Path()
    if not paths:
        raise InputError(
            f"{source}: contains no image. Expected files ending in {', '.join(IMAGE_SUFFIXES)}, or DICOM folders"
        )
    for path in paths:
        _check_kind(path)
    return paths, base


def check_unique(ids: list[str], names: list[str]) -> None:
    """Refuse cases whose outputs would overwrite each other.

    Raises:
        InputError: two ids are equal, or differ only in case, which some file systems ignore.
    """
    folded = [i.casefold() for i in ids]
    recurring = [i for i, n in Counter(folded).items() if n > 1]
    if recurring:
        which = [name for name, i in zip(names, folded, strict=True) if i == recurring[0]]
        raise InputError(
            f"repeated case ids: {len(recurring)}, the first one '{recurring[0]}' for "
            f"{', '.join(which[:3])}: their outputs "
            "would overwrite each other. List each case once, or rename files or folders so that they differ"
        )


def _search(root: Path, exclude: Path | None) -> list[Path]:
    found: list[Path] = []
    labels: list[Path] = []

    def is_passed_over(folder: Path) -> bool:
        if holds_labels(folder):
            labels.append(folder)
        return folder in labels

    for folder, files in walk(root, exclude, skip=is_passed_over):
        found += filter(is_image, files)
        if any(is_dicom_file(path) for path in files if not is_image(path)):
            found.append(folder)
    if labels:
        names = ", ".join(sorted(folder.name for folder in labels))
        warnings.warn(f"{root}: {names} contain labels, not scans, and are skipped", stacklevel=2)
    return sorted(found)


def _parted_series(chosen: Sequence[tuple[Path, str | None]]) -> dict[Path, str]:
    """Describe DICOM folders whose series has more slices in another folder; copies of a whole series are allowed."""
    folders = {os.path.realpath(path): (path, uid) for path, uid in chosen if path.is_dir()}
    slices: dict[str, dict[Path, set[str]]] = {}
    for path, chosen_uid in folders.values() if len(folders) > 1 else ():
        for file in filter(is_dicom_file, path.iterdir()):
            series, instance = read_uids(file)
            if series and chosen_uid in (None, series):
                slices.setdefault(series, {}).setdefault(path, set()).add(instance or str(file))
    problems: dict[Path, str] = {}
    for series, found in slices.items():
        if len(set(map(frozenset, found.values()))) > 1:
            where = ", ".join(f"{path} ({counted(len(own), 'slice')})" for path, own in found.items())
            parts = {os.path.realpath(path) for path in found}
            for path in (path for path, _ in chosen if os.path.realpath(path) in parts):
                problems[path] = (
                    f"{path}: the series {series} is spread over {len(found)} folders, each of which would be read as "
                    f"a separate volume: {where}. Put all of its files into one folder"
                )
    return problems


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file. Correct or remove it from the list of cases")
    if path.is_dir():
        if not has_dicom_files(path):
            raise InputError(
                f"{path}: contains no DICOM file itself. List the folders of the series, or give one folder"
            )
    elif not path.name.lower().endswith(IMAGE_SUFFIXES):
        if is_dicom_file(path):
            raise InputError(f"{path}: is one file of a DICOM series. Give the folder that contains all of its slices")
        raise InputError(f"{path}: unknown kind of file. Expected one ending in {', '.join(IMAGE_SUFFIXES)}")


def _with_series(paths: list[Path], uids: list[str]) -> list[tuple[Path, str | None]]:
    """Return the DICOM folders that contain one of these series, with its UID."""
    series = [(path, one) for path in paths if path.is_dir() for one in list_series(path)]
    chosen: list[tuple[Path, str | None]] = [(path, one.uid) for path, one in series if one.uid in uids]
    if missing := sorted(set(uids) - {uid for _, uid in chosen if uid}):
        listed = "; ".join(one.describe() for _, one in series) or "no DICOM series"
        raise InputError(f"no series has the UID {missing[0]}. Found: {listed}")
    return chosen


def _case_ids(paths: list[Path], base: Path) -> list[str]:
    """Name cases by the path below `base`; images of a data set by the case's name, if that is unique."""
    ids = [_case_id(path.absolute(), base) for path in paths]
    short = [
        one if found is None else _name_below(found[0], stem_of(path).removesuffix(found[1]), base)
        for one, path, found in zip(ids, paths, data_sets_of(paths), strict=True)
    ]
    count = Counter(name.casefold() for name in short)
    return [name if count[name.casefold()] == 1 else one for one, name in zip(ids, short, strict=True)]


def _case_id(path: Path, base: Path) -> str:
    return _name_below(path.parent, stem_of(path), base)


def _name_below(folder: Path, name: str, base: Path) -> str:
    """Return the name after the folders in between; just the name if the folder is not below `base`."""
    return "_".join([*(folder.relative_to(base).parts if folder.is_relative_to(base) else ()), name])
