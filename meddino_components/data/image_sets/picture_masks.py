"""Read pictures with class masks from a table: endoscopy, photographs, slices saved as PNG.

Shapes: H rows, W columns, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...project import extra
from ..volumes.file_checks import check_is_image_file
from ..volumes.itk_header import last_line
from .found_files import folder_of
from .tables import find_patient_column, patient_in, read_table

Case = dict[str, Any]
_ONE_CHANNEL = ("1", "L", "P", "I", "I;16")


def read_mask_table(
    root: str | Path,
    *,
    table: str | Path,
    path_column: str = "image",
    mask_column: str = "mask",
    patient_column: str | None = None,
) -> list[Case]:
    """Cases from a CSV file and the pictures and masks that it lists.

    Args:
        root: folder that the paths of the table start from.
        table: the CSV file, below ``root`` unless absolute.
        path_column: paths of the pictures; a case's id is this path.
        mask_column: paths of the masks, see `load_mask`.
        patient_column: patients, or videos, that must not be on both sides; None: the column ``patient`` or
            ``patient_id``, else each picture is its own patient, unless its name says otherwise (`patient_of_name`).

    Returns:
        cases {"image", "label", "case_id", "patient", "modality": "picture"} in the order of the rows.

    Raises:
        InputError: a column or file that is missing, or a picture that is listed twice.
    """
    folder = folder_of(root)
    path = folder / Path(table).expanduser()
    patient_column = find_patient_column(path, patient_column)
    columns = [path_column, mask_column, *([patient_column] if patient_column else [])]
    cases: dict[str, Case] = {}
    for row in read_table(path, columns):
        case_id = row.cells[path_column]
        image, mask = (folder / row.cells[column] for column in (path_column, mask_column))
        for file in (image, mask):
            if not file.exists():
                raise InputError(f"{path}: row {row.number}: {file} does not exist. Correct the path or drop the row.")
        if case_id in cases:
            raise InputError(f"{path}: row {row.number}: {case_id} is listed twice. List each picture once.")
        cases[case_id] = {
            "image": str(image),
            "label": str(mask),
            "case_id": case_id,
            "patient": patient_in(row, patient_column, path_column),
            "modality": "picture",
        }
    return list(cases.values())


def load_mask(path: str | Path) -> npt.NDArray[np.uint8]:
    """Class numbers [H, W] of a mask: a PNG, BMP or TIFF with one channel, or a palette, whose values are the classes.

    Raises:
        InputError: the file cannot be read, has colours or several pages, or a value above 255.
    """
    path = Path(path)
    check_is_image_file(path)
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(f"reading masks needs Pillow: {extra('benchmark')}") from error
    try:
        with Image.open(path, formats=("PNG", "BMP", "TIFF")) as opened:
            mode, n_pages = opened.mode, getattr(opened, "n_frames", 1)
            values = np.asarray(opened)
    # Pillow's decoders raise errors of any kind
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read as a mask ({last_line(error)}). Expected PNG, BMP or TIFF (JPEG blurs classes); "
            "if it is one, copy or export it again."
        ) from error
    if mode not in _ONE_CHANNEL or n_pages > 1 or values.ndim != 2:
        raise InputError(
            f"{path}: {n_pages} page(s) of kind {mode}; expected one channel whose values are the class numbers. "
            "Write colours as numbers first."
        )
    if values.size and (int(values.min()) < 0 or int(values.max()) > np.iinfo(np.uint8).max):
        raise InputError(f"{path}: holds values up to {int(values.max())}; expected class numbers, at most 255.")
    return values.astype(np.uint8)
