"""The cases that a path, a folder or a list of paths stands for."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from .data_set_folders import data_sets_of, holds_labels
from .dicom import has_dicom_files, is_dicom_file, list_series
from .file_checks import ITK_SUFFIXES, NIFTI_SUFFIXES
from .intensity import parse_modality

_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)


def list_cases(
    source: str | Path | Iterable[str | Path],
    *,
    modality: str | None = None,
    exclude: str | Path | None = None,
    series_uid: str | Sequence[str] | None = None,
) -> list[dict[str, str]]:
    """Case dicts for inference.

    Args:
        source: a NIfTI, NRRD or MetaImage file; a folder, searched with all folders below (hidden ones are passed
            over, and ``labelsTr`` and the like of a data set; a folder that holds DICOM files, whatever their names,
            is one case); or a list of files and DICOM folders.
        modality: "ct" or "mr"; None leaves it to the tags of DICOM files, which are then all that there may be.
        exclude: a folder passed over, for predictions that are written below ``source``.
        series_uid: SeriesInstanceUID, one or several: of the DICOM folders of ``source``, only those that hold such a
            series are cases.

    Returns:
        ``{"image": path, "case_id": id, "modality": modality}``, sorted by path, "modality" only where it is given
        and "series_uid" where one was asked for. The id is the path below the folder (for a list, below what its paths
        have in common) without suffix, folders joined by ``_``, so that two files named ``imaging.nii.gz`` get
        different ids; in ``imagesTr``, ``imagesVa`` and ``imagesTs`` it is the case's name alone, as its label has it.

    Raises:
        InputError: nothing there, a file of another kind, a path given twice, two paths that give the same id, a file
            whose modality nothing states, or a series that is not there.
    """
    modality = None if modality is None else parse_modality(modality, "modality")
    paths, base = image_paths(source, exclude)
    if modality is None and (files := [path for path in paths if not path.is_dir()]):
        raise InputError(f"{files[0]}: no modality stated, and only DICOM files say it. State the modality: ct or mr")
    uids = [series_uid] if isinstance(series_uid, str) else [str(uid) for uid in series_uid or ()]
    chosen = _with_series(paths, uids) if uids else [(path, None) for path in paths]
    ids = _case_ids([path for path, _ in chosen], base.absolute())
    check_unique(ids, [str(path) for path, _ in chosen])
    return [
        {"image": str(path), "case_id": case_id}
        | ({"modality": modality} if modality else {})
        | ({"series_uid": uid} if uid else {})
        for (path, uid), case_id in zip(chosen, ids, strict=True)
    ]


def image_paths(source: str | Path | Iterable[str | Path], exclude: str | Path | None) -> tuple[list[Path], Path]:
    """The files and DICOM folders of a source (see `list_cases`), sorted in a folder, and a folder that holds them.

    Raises:
        InputError: nothing there, or a file of another kind.
    """
    if isinstance(source, (str, Path)):
        root = Path(source).expanduser()
        if not root.exists():
            raise InputError(
                f"{root}: no such file or folder. Give a NIfTI, NRRD or MetaImage file, the folder of a DICOM series, "
                "or a folder of them"
            )
        if root.is_dir() and holds_labels(root):
            raise InputError(f"{root}: holds labels, not scans. Give the folder of images beside it")
        paths = _search(root, Path(exclude).expanduser().resolve() if exclude else None) if root.is_dir() else [root]
        base = root if root.is_dir() and paths != [root] else root.parent
    else:
        paths = [Path(path).expanduser() for path in source]
        base = Path(os.path.commonpath([path.absolute().parent for path in paths])) if paths else Path()
    if not paths:
        raise InputError(f"{source}: holds no image. Expected files ending in {', '.join(_SUFFIXES)}, or DICOM folders")
    for path in paths:
        _check_kind(path)
    return paths, base


def stem_of(path: Path) -> str:
    """The name of a file without the suffix of its kind, or of a DICOM folder.

    Raises:
        InputError: no suffix of a kind that is read.
    """
    if path.is_dir():
        return path.name
    suffix = next((s for s in (".nii.gz", *_SUFFIXES) if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise InputError(f"{path}: unknown kind of file. Expected one ending in {', '.join(_SUFFIXES)}")
    return path.name[: -len(suffix)]


def is_image(path: Path) -> bool:
    """Whether the name is that of a file of a kind that is read."""
    return path.name.lower().endswith(_SUFFIXES)


def check_unique(ids: list[str], names: list[str]) -> None:
    """Refuse cases whose outputs would overwrite each other.

    Raises:
        InputError: two ids are equal (also when only case differs, which some file systems do not tell apart).
    """
    folded = [i.casefold() for i in ids]
    recurring = [i for i, n in Counter(folded).items() if n > 1]
    if recurring:
        which = [name for name, i in zip(names, folded, strict=True) if i == recurring[0]]
        raise InputError(
            f"{len(recurring)} case ids recur, the first '{recurring[0]}' for {', '.join(which[:3])}: their outputs "
            "would overwrite each other. List each case once, or rename files or folders so that they differ"
        )


def _search(root: Path, exclude: Path | None) -> list[Path]:
    found: list[Path] = []
    passed_over: list[str] = []
    for folder, subfolders, files in os.walk(root):
        here = Path(folder)
        labels = [name for name in subfolders if holds_labels(here / name)]
        passed_over += labels
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not name.startswith(".") and name not in labels and (here / name).resolve() != exclude
        )
        visible = [name for name in files if not name.startswith(".")]
        found += [here / name for name in visible if name.lower().endswith(_SUFFIXES)]
        others = sorted(here / name for name in visible if not name.lower().endswith(_SUFFIXES))
        if any(map(is_dicom_file, others)):
            found.append(here)
    if passed_over:
        warnings.warn(
            f"{root}: {', '.join(sorted(passed_over))} hold labels, not scans, and are passed over", stacklevel=2
        )
    return sorted(found)


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file. Correct or remove it from the list of cases")
    if path.is_dir():
        if not has_dicom_files(path):
            raise InputError(f"{path}: holds no DICOM file itself. List the folders of the series, or give one folder")
    elif not path.name.lower().endswith(_SUFFIXES):
        if is_dicom_file(path):
            raise InputError(f"{path}: one file of a DICOM series. Give the folder that holds all of its slices")
        raise InputError(f"{path}: unknown kind of file. Expected one ending in {', '.join(_SUFFIXES)}")


def _with_series(paths: list[Path], uids: list[str]) -> list[tuple[Path, str | None]]:
    """The DICOM folders that hold one of these series, with its UID."""
    series = [(path, one) for path in paths if path.is_dir() for one in list_series(path)]
    chosen: list[tuple[Path, str | None]] = [(path, one.uid) for path, one in series if one.uid in uids]
    if missing := sorted(set(uids) - {uid for _, uid in chosen if uid}):
        listed = "; ".join(one.describe() for _, one in series) or "no DICOM series"
        raise InputError(f"no series has the UID {missing[0]}. What is there: {listed}")
    return chosen


def _case_ids(paths: list[Path], base: Path) -> list[str]:
    """By the path below `base`; of a data set's images the case's name below the data set, where that is unique."""
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
    """The name after the folders between; of a folder that is not below `base` the name alone."""
    return "_".join([*(folder.relative_to(base).parts if folder.is_relative_to(base) else ()), name])
