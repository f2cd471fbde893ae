"""The cases that a path, a folder or a list of paths stands for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from .file_checks import ITK_SUFFIXES, NIFTI_SUFFIXES
from .intensity import parse_modality

_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)


def list_cases(
    source: str | Path | Iterable[str | Path], *, modality: str, exclude: str | Path | None = None
) -> list[dict[str, str]]:
    """Case dicts for inference.

    Args:
        source: a NIfTI, NRRD or MetaImage file; a folder, searched with all folders below (hidden ones are passed
            over; a folder of DICOM files is one case); or a list of files and DICOM folders.
        modality: "ct" or "mr".
        exclude: a folder passed over, for predictions that are written below ``source``.

    Returns:
        ``{"image": path, "case_id": id, "modality": modality}``, sorted by path. The id is the path below the folder
        (for a list, below what its paths have in common) without suffix, folders joined by ``_``, so that two files
        named ``imaging.nii.gz`` get different ids.

    Raises:
        InputError: nothing there, a file of another kind, a path given twice, or two paths that give the same id.
    """
    modality = parse_modality(modality, "modality")
    paths, base = image_paths(source, exclude)
    ids = [_case_id(path.absolute(), base.absolute()) for path in paths]
    check_unique(ids, [str(path) for path in paths])
    return [{"image": str(p), "case_id": i, "modality": modality} for p, i in zip(paths, ids, strict=True)]


def image_paths(source: str | Path | Iterable[str | Path], exclude: str | Path | None) -> tuple[list[Path], Path]:
    """The files and DICOM folders of a source (see `list_cases`), sorted in a folder, and a folder that holds them.

    Raises:
        InputError: nothing there, or a file of another kind.
    """
    if isinstance(source, (str, Path)):
        root = Path(source).expanduser()
        if not root.exists():
            raise InputError(
                f"{root}: no such file or folder. Give a NIfTI, NRRD or MetaImage file or a folder of them"
            )
        paths = _search(root, Path(exclude).expanduser().resolve() if exclude else None) if root.is_dir() else [root]
        base = root if root.is_dir() and paths != [root] else root.parent
    else:
        paths = [Path(path).expanduser() for path in source]
        base = Path(os.path.commonpath([path.absolute().parent for path in paths])) if paths else Path()
    if not paths:
        raise InputError(f"{source}: holds no image. Expected files ending in {', '.join(_SUFFIXES)}, or DICOM folders")
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file. Correct or remove it from the list of cases")
        if not path.is_dir() and not path.name.lower().endswith(_SUFFIXES):
            raise InputError(f"{path}: unknown kind of file. Expected one ending in {', '.join(_SUFFIXES)}")
    return paths, base


def stem_of(path: Path) -> str:
    """A file's name without the suffix of its kind.

    Raises:
        InputError: no suffix of a kind that is read.
    """
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
    for folder, subfolders, files in os.walk(root):
        here = Path(folder)
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and (here / name).resolve() != exclude
        )
        visible = [name for name in files if not name.startswith(".")]
        found += [here / name for name in visible if name.lower().endswith(_SUFFIXES)]
        if any(name.lower().endswith(".dcm") for name in visible):
            found.append(here)
    return sorted(found)


def _case_id(path: Path, base: Path) -> str:
    relative = Path(os.path.relpath(path, base))
    name = relative.name if path.is_dir() else stem_of(path)
    return "_".join([*relative.parts[:-1], name])
