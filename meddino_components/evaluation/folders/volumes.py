"""Find the cases in a folder of label maps, of scans, or of masks for each class."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.cases.nnunet_raw import FIRST_CHANNEL
from ...data.volumes.file_checks import IMAGE_SUFFIXES, is_image, stem_of
from ...data.volumes.found_folders import is_left_over
from ...errors import InputError
from ...near_names import near_name
from ...wording import counted, first_few

Volume = Path | Mapping[str, Path]
"""A file, or the file of each class by the class's name."""

# TotalSegmentator's data set has the masks in a folder of this name, its program writes them into the case's folder
_MASKS = "segmentations"


def label_volumes(folder: Path) -> dict[str, Volume]:
    """Return the label maps in a folder by case: a file for each, or, if there are none, a folder of masks for each.

    Args:
        folder: folder with ``<case>.nii.gz``, as nnU-Net and this project write them, or with
            ``<case>/<class>.nii.gz`` or ``<case>/segmentations/<class>.nii.gz``, as TotalSegmentator does. NRRD and
            MetaImage files are read, too.

    Raises:
        InputError: there is no such folder, no label map in it, or two files have the same name without the suffix.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Give a folder of label maps, one file for each case")
    if files := _images(folder):
        return dict(files)
    cases: dict[str, Volume] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and not is_left_over(path)):
        if masks := _images(path / _MASKS) or _images(path):
            cases[path.name] = masks
    if not cases:
        raise InputError(
            f"{folder}: contains no label map. Expected a file for each case ({', '.join(IMAGE_SUFFIXES)}), or a "
            "folder for each case with a file for each class"
        )
    return cases


def scans_of(folder: Path, cases: Collection[str]) -> dict[str, Path]:
    """Return the scan of each case: the file with the case's name, or its first channel as nnU-Net names it.

    Raises:
        InputError: a case has no scan in the folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Give a folder of scans, one file for each case")
    files = _images(folder)
    scans = {case: files.get(case, files.get(f"{case}{FIRST_CHANNEL}")) for case in cases}
    if lacking := [case for case, path in scans.items() if path is None]:
        raise InputError(
            f"{folder}: has no scan of {counted(len(lacking), 'case')}: {first_few(lacking)}; expected {lacking[0]} or "
            f"{lacking[0]}{FIRST_CHANNEL} with one of {', '.join(IMAGE_SUFFIXES)}. Leave out the scans, or complete "
            "the folder"
        )
    return {case: path for case, path in scans.items() if path is not None}


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The cases of two folders.

    Attributes:
        volumes: prediction and reference by case, of the cases that both folders have.
        without_prediction: cases that only the references have.
        without_reference: cases that only the predictions have.
    """

    volumes: Mapping[str, tuple[Volume, Volume]]
    without_prediction: Sequence[str] = ()
    without_reference: Sequence[str] = ()


def paired(predictions: Path, references: Path, *, common_only: bool = False) -> Pairs:
    """Match the cases of two folders by name.

    Args:
        predictions: folder of predictions, see `label_volumes`.
        references: folder of references.
        common_only: whether to leave out cases that only one folder has.

    Raises:
        InputError: both are the same folder or have no case in common; or one has a case that the other lacks, and
            ``common_only`` is not set.
    """
    if predictions.resolve() == references.resolve():
        raise InputError(f"{predictions}: is given as predictions and as references. Give two folders")
    found, wanted = label_volumes(predictions), label_volumes(references)
    common = sorted(set(found) & set(wanted))
    only_wanted, only_found = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    for lacking, here, lacks_it, others in (
        (only_wanted, references, predictions, only_found),
        (only_found, predictions, references, only_wanted),
    ):
        if lacking and not (common_only and common):
            near = near_name(lacking[0], others)
            raise InputError(
                f"{lacks_it}: lacks {counted(len(lacking), 'case')} of {here}: {first_few(lacking)}. "
                + (f"Is {near} the same case? " if near else f"It has {first_few(others or common, 3)}. ")
                + "Cases are matched by the names of their files: "
                + (f"--common_only scores the {len(common)} that both folders have" if common else "rename them")
            )
    return Pairs(
        volumes={case: (found[case], wanted[case]) for case in common},
        without_prediction=only_wanted,
        without_reference=only_found,
    )


def _images(folder: Path) -> dict[str, Path]:
    """Return the volumes in a folder, without those below, by their names without suffix."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    named: dict[str, Path] = {}
    for path in paths:
        if not path.is_file() or not is_image(path) or is_left_over(path):
            continue
        if (other := named.setdefault(stem_of(path), path)) != path:
            raise InputError(f"{path}: has the same name as {other.name}; expected one file for each case. Remove one")
    return named
