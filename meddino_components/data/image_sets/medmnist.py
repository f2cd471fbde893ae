"""MedMNIST's .npz files: small pictures and volumes of 18 sets, 28 to 224 pixels wide, split by their authors.

N images, K labels; H rows, W columns, D frames.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from .image_set import SPLITS, ImageSet, Sample, Split
from .medmnist_labels import MEDMNIST_LABELS
from .packed_arrays import ArrayHeader, array_headers, packed_array


def read_medmnist(root: str | Path) -> ImageSet:
    """Read a MedMNIST set, 2D or 3D, of any size, with one class or several labels.

    The file does not state patients: each image counts as one. The names of the labels are those that its authors
    publish, known by the file's name; for other files of this form they are class_0, class_1, ...

    Args:
        root: path of the .npz file, which contains ``{split}_images`` [N, H, W], [N, H, W, 3] or [N, D, H, W], and
            ``{split}_labels`` [N], [N, 1] or, for several labels, [N, K], for train, val and test.

    Raises:
        InputError: the file or an array is missing or of another form, or see `ImageSet`.

    Reference:
        Yang et al., MedMNIST v2, Scientific Data 2023.
    """
    path = Path(root).expanduser().absolute()
    headers = array_headers(path)
    expected = [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")]
    if missing := [name for name in expected if name not in headers]:
        raise InputError(
            f"{path}: no array {', '.join(missing)}; it holds {', '.join(headers) or 'none'}. Give a file of MedMNIST."
        )
    dimensions = _dimensions(path, headers)
    labels = {split: _labels(path, split, headers) for split in SPLITS}
    widths = {rows.shape[1] for rows in labels.values()}
    if len(widths) > 1:
        raise InputError(f"{path}: labels have {sorted(widths)} columns; expected one number in all splits.")
    multi_label = widths != {1}
    name = path.stem
    samples = [
        Sample(
            sample_id=(sample_id := f"{split}_{index}"),
            image=str(path),
            index=index,
            patient=sample_id,
            split=split,
            labels=tuple(row),
        )
        for split in SPLITS
        for index, row in enumerate(labels[split].tolist())
    ]
    known = MEDMNIST_LABELS.get(re.sub(r"_\d+$", "", name).lower())
    n_found = (
        max(widths) if multi_label else 1 + max((int(rows.max()) for rows in labels.values() if rows.size), default=0)
    )
    return ImageSet(
        name=name,
        samples=tuple(samples),
        label_names=known or tuple(f"class_{k}" for k in range(n_found)),
        multi_label=multi_label,
        dimensions=dimensions,
        modality="picture",
    )


def _dimensions(path: Path, headers: dict[str, ArrayHeader]) -> Literal[2, 3]:
    shapes = [headers[f"{split}_images"].shape for split in SPLITS]
    kinds = {len(shape) - (len(shape) == 4 and shape[-1] == 3) for shape in shapes}
    if kinds == {3}:
        return 2
    if kinds == {4}:
        return 3
    raise InputError(f"{path}: images have the shapes {shapes}; expected [N, H, W], [N, H, W, 3] or [N, D, H, W].")


def _labels(path: Path, split: Split, headers: dict[str, ArrayHeader]) -> npt.NDArray[np.int64]:
    """[N, 1] or [N, K]."""
    n_images = headers[f"{split}_images"].shape[0]
    header = headers[f"{split}_labels"]
    if header.dtype.kind not in "iub" or len(header.shape) not in (1, 2) or header.shape[0] != n_images:
        raise InputError(
            f"{path}: '{split}_labels' is {header.dtype} {header.shape}; expected whole numbers for {n_images} images."
        )
    labels = np.asarray(packed_array(path, f"{split}_labels"), dtype=np.int64)
    return labels.reshape(n_images, -1) if labels.ndim == 1 else labels
