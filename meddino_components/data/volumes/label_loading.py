"""Load label maps from volumes, from a mask for each class, or from the regions in a DICOM SEG or an RTSTRUCT."""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import CommonKeys
from numpy.typing import NDArray

from ...errors import InputError
from ...near_names import near_name
from ...project import extra
from ...wording import first_few
from .class_masks import read_class_masks
from .dicom.contours import read_contours
from .dicom.drawn_regions import DrawnRegion, drawn_object
from .dicom.headers import is_dicom_file
from .dicom.segments import read_segments
from .loading import LoadVolumed, as_meta_tensor
from .partial_labels import check_partial_labels, numbered_names


class LoadLabeld(MapTransform):
    """Read label maps as `LoadVolumed` does, and regions drawn in DICOM by their names.

    A region becomes the label with the same name, ignoring case, spaces and punctuation; ``drawn_names`` translates
    other names. Regions with other names (body, couch) are left out, and a warning lists them. A file need not contain
    all labels, since an organ may be missing.

    A label that is {class: path} consists of binary masks, see `read_class_masks`. Masks of other classes are not read.
    Each label needs a mask, unless "annotated" of the case leaves it out.

    "label_values" of the case changes the values of a volume's "label" (not of regions, which have names), and
    "annotated" becomes a mask of the labels that were annotated, see `partial_labels`.

    Args:
        keys: items of the case that hold paths.
        label_names: names of labels by number; in a list the background comes first.
        drawn_names: mapping from names used in the files to ``label_names``, such as
            ``{"GTV-1": "tumour"}``.
        image_key: item with the image, which is read before and defines the grid.
        spacing_mm: spacing of files whose header has none, see `LoadVolumed`.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: see `LoadVolumed`; ``drawn_names`` names an unknown label; a DICOM file was drawn on another series,
            cannot be read or contains none of the labels; two regions with different labels share voxels; or the case
            contradicts its labels, see `check_partial_labels`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        label_names: Sequence[str] | Mapping[int, str],
        drawn_names: Mapping[str, str] | None = None,
        image_key: str = "image",
        spacing_mm: Sequence[float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key
        self.label_names = numbered_names(label_names)
        self.numbers = {_plain(name): number for number, name in self.label_names.items()}
        for drawn, name in (drawn_names or {}).items():
            if _plain(name) not in self.numbers:
                raise InputError(
                    f"drawn_names: '{drawn}' stands for '{name}', which is not a label; expected one of "
                    f"{', '.join(self.label_names.values())}"
                )
            self.numbers[_plain(drawn)] = self.numbers[_plain(name)]
        self._volumes = {key: LoadVolumed(key, label_keys=(key,), spacing_mm=spacing_mm) for key in self.keys}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            path = Path(case[key]).expanduser() if isinstance(case[key], str | Path) else None
            if isinstance(case[key], Mapping):
                case[key] = self._read_masks(case[key], case, self._volumes[key].spacing_mm)
            elif path is not None and path.is_file() and is_dicom_file(path):
                case[key] = self._read_drawn(path, case[self.image_key])
            else:
                case[key] = self._volumes[key](case)[key]
            if key == CommonKeys.LABEL:
                name = str(case[key].meta["filename_or_obj"])
                case |= check_partial_labels(case[key].numpy(), case, self.label_names, name)
        return case

    def _read_masks(
        self, masks: Mapping[str, str], case: Mapping[Hashable, Any], spacing_mm: Sequence[float] | None
    ) -> MetaTensor:
        found = {self.numbers[_plain(name)]: path for name, path in masks.items() if _plain(name) in self.numbers}
        stated = case.get("annotated")
        expected = self.label_names.values() if stated is None else map(str, stated)
        if lacking := [name for name in expected if self.numbers.get(_plain(name)) not in found]:
            near = near_name(lacking[0], list(masks))
            raise InputError(
                f"case {case.get('case_id', '?')}: has no mask of {lacking[0]!r}; it has {first_few(list(masks), 8)}. "
                + (f"Did you mean {near!r}? " if near else "")
                + "Correct label_names, or map the names of the masks by drawn_names"
            )
        labels, affine, _ = read_class_masks(found, spacing_mm=spacing_mm)
        folder = Path(next(iter(masks.values()))).parent
        return as_meta_tensor(labels, affine, str(folder), is_label=True)

    def _read_drawn(self, path: Path, image: MetaTensor) -> MetaTensor:
        drawn = drawn_object(path)
        if drawn is None:
            raise InputError(
                f"{path}: expected a DICOM SEG or an RTSTRUCT as label, or a NIfTI, NRRD or MetaImage file. Reading "
                f"DICOM labels requires pydicom: {extra('dicom')}"
            )
        uid = image.meta.get("dicom_series")
        if uid and drawn.series_uids and uid not in drawn.series_uids:
            raise InputError(
                f"{path}: was drawn on another series than {image.meta['filename_or_obj']}. Pair each label with the "
                "series that it refers to"
            )
        affine, shape = np.asarray(image.affine, dtype=np.float64), tuple(image.shape[1:])
        read = read_segments if drawn.is_segmentation else read_contours
        labels = self._number(read(path, affine, shape), shape, path)
        meta = {**image.meta, "filename_or_obj": str(path)}
        return MetaTensor(torch.from_numpy(labels)[None], affine=image.affine.clone(), meta=meta)

    def _number(self, regions: Sequence[DrawnRegion], shape: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
        """Return one label map; regions with the same label are joined."""
        labels = np.zeros(shape, np.uint8)
        others = sorted({region.name for region in regions if _plain(region.name) not in self.numbers})
        found = [(region, self.numbers[_plain(region.name)]) for region in regions if region.name not in others]
        if not found:
            raise InputError(
                f"{path}: none of its regions ({', '.join(others) or 'there are none'}) is a label of the network "
                f"({', '.join(self.label_names.values())}). Set drawn_names to map each name to its label"
            )
        for region, number in found:
            taken = labels[region.mask & (labels > 0) & (labels != number)]
            if taken.size:
                raise InputError(
                    f"{path}: '{region.name}' shares {taken.size:,} voxels with '{self.label_names[taken[0]]}'; "
                    "expected regions without overlap. Leave one out, or export them without overlap"
                )
            labels[region.mask] = number
        if others:
            warnings.warn(f"{path}: regions without a label are left out: {', '.join(others)}", stacklevel=2)
        return labels


def _plain(name: str) -> str:
    """Return a name without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())
