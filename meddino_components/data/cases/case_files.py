"""List the files of a case, and check that they exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...wording import counted, first_few
from ..volumes.file_checks import is_image
from ..volumes.sparse_csv import VOXEL_DIMENSIONS, is_sparse_csv
from ..volumes.text_headers import detached_files
from .sequence_names import sequence_of
from .sequences import sequences_beside


def case_files(case: Mapping[str, Any]) -> list[str]:
    """Return the paths of a case's image or sequences, of the sequences next to a single one, and of its labels.

    A header also adds the file that holds its voxels, and a sparse CSV file the file of voxel sizes next to it.
    """
    image = case["image"]
    if not isinstance(image, Mapping) and "channels" not in case and is_image(Path(image)) and sequence_of(image)[1]:
        image = {"": image, **sequences_beside(image)["image"]}
    paths = dict.fromkeys(image.values() if isinstance(image, Mapping) else [image])
    label = case.get("label")
    labels = label.values() if isinstance(label, Mapping) else [] if label is None else [label]
    files = [str(path) for path in [*paths, *labels]]
    sizes = {str(Path(file).with_name(VOXEL_DIMENSIONS)) for file in files if is_sparse_csv(Path(file))}
    return files + sorted(sizes) + [str(data) for file in files for data in detached_files(Path(file))]


def check_files_exist(cases: Sequence[Mapping[str, Any]], listed_in: Path) -> None:
    """Refuse a list with files that do not exist.

    Raises:
        InputError: files are missing; the message gives their number and the first names.
    """
    missing = [path for case in cases for path in case_files(case) if not Path(path).exists()]
    if missing:
        raise InputError(
            f"{listed_in}: {counted(len(missing), 'listed file')} cannot be found: {first_few(missing)}. "
            "Complete the data set or remove them from the list."
        )
