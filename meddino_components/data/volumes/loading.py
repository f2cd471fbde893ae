"""Load and check volumes from files or DICOM series. X, Y, Z are the axes as stored in the file."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import CommonKeys, ensure_tuple

from ...errors import InputError
from .dicom import GantryTilt, UnevenSlices, read_series
from .file_checks import parse_spacing
from .grid_checks import check_affine
from .modality import agreed_modality
from .partial_labels import with_stated_values
from .volume_file import read_volume_file
from .volume_in_memory import volume_in_memory
from .voxel_checks import clean_image, clean_label


class LoadVolumed(MapTransform):
    """Read volumes from files into `MetaTensor` [1, X, Y, Z], and refuse files that would silently give wrong results.

    nibabel reads NIfTI; ITK reads NRRD, MetaImage and folders with a DICOM series. Images become float32, labels uint8.
    The orientation stays as stored: `monai.transforms.Orientationd` follows with `axcodes` of `slice_planes`, and
    records the original grid for inversion.

    For DICOM, the case's "series_uid" selects a series if a folder contains several, and "modality" must match its tag;
    a case without it gets it from the tag. ``meta["dicom_files"]`` holds the paths of the slices in the order of Z,
    ``meta["dicom_series"]`` their UID, ``meta["dicom_resampled"]`` whether the grid differs from theirs.

    An image already in memory, as MONAI Deploy passes it, undergoes the same checks.

    Args:
        keys: items of the case with paths, or with images in memory, see `volume_in_memory`.
        label_keys: items among `keys` that are label maps. The case's "label_values" changes the values of its item
            "label", see `stated_values`.
        gantry_tilt: whether to "refuse" or "resample" DICOM series with a gantry tilt, see `dicom.read_series`.
        uneven_slices: whether to "refuse" DICOM series with uneven slice distances or to "even" them out, see
            `dicom.read_series`.
        spacing_mm: spacing of the three stored axes in mm, for NIfTI, NRRD and MetaImage files whose header has none. A
            contradictory header is refused.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: see `file_checks` (the file and its grid), `dicom` and `voxel_checks` (its values); or the DICOM tag
            contradicts the modality, or nothing states it.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        label_keys: KeysCollection = ("label",),
        gantry_tilt: GantryTilt = "refuse",
        uneven_slices: UnevenSlices = "refuse",
        spacing_mm: Sequence[float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.label_keys = ensure_tuple(label_keys)
        self.gantry_tilt: GantryTilt = gantry_tilt
        self.uneven_slices: UnevenSlices = uneven_slices
        self.spacing_mm = parse_spacing(spacing_mm)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        check_problem(case)
        for key in self.key_iterator(case):
            is_label = key in self.label_keys
            if not isinstance(case[key], str | Path):
                what = f"case {case.get('case_id', '?')}: '{key}'"
                array, affine, name = volume_in_memory(case[key], what)
                case[key] = as_meta_tensor(array, affine, name, is_label=is_label)
                continue
            path = Path(case[key]).expanduser()
            if path.is_dir():
                case[key] = self._load_series(path, case, is_label=is_label)
            else:
                array, affine = read_volume_file(path, spacing_mm=self.spacing_mm, is_label=is_label)
                case[key] = as_meta_tensor(array, affine, str(path), is_label=is_label)
            if is_label and key == CommonKeys.LABEL:
                case[key] = _as_stated(case[key], case)
        return case

    def _load_series(self, path: Path, case: dict[Hashable, Any], *, is_label: bool) -> MetaTensor:
        """Read the series of a folder; an image's case gets the modality stated in its tag."""
        volume = read_series(
            path,
            series_uid=case.get("series_uid"),
            gantry_tilt=self.gantry_tilt,
            uneven_slices=self.uneven_slices,
        )
        if not is_label:
            case["modality"] = agreed_modality(case.get("modality"), volume.series, path)
        dicom = {
            "dicom_files": volume.series.files,
            "dicom_series": volume.series.uid,
            "dicom_resampled": volume.resampled,
        }
        return as_meta_tensor(volume.voxels, volume.affine, str(path), is_label=is_label, dicom=dicom)


def as_meta_tensor(
    array: np.ndarray[Any, Any],
    affine: np.ndarray[Any, Any],
    name: str,
    *,
    is_label: bool,
    dicom: dict[str, Any] | None = None,
) -> MetaTensor:
    """Return [1, X, Y, Z] with checked voxels on a checked grid, and the few header values that later steps use."""
    check_affine(affine, name)
    voxels = clean_label(array, name) if is_label else clean_image(array, name)
    # the rest of a header is outdated after the first transform and may name people
    meta = {
        "spatial_shape": np.asarray(array.shape),
        "original_affine": np.array(affine),
        "original_channel_dim": 0,
        "space": "RAS",
        "filename_or_obj": name,
        **(dicom or {}),
    }
    tensor = torch.from_numpy(voxels if voxels.flags.writeable else voxels.copy(order="K"))
    return MetaTensor(tensor[None], affine=torch.as_tensor(affine, dtype=torch.float64), meta=meta)


def _as_stated(label: MetaTensor, case: Mapping[Hashable, Any]) -> MetaTensor:
    """Return the label map with the labels that the values of its file stand for."""
    voxels = label.as_tensor().numpy()
    stated = with_stated_values(voxels, case)
    if stated is voxels:
        return label
    meta = {name: value for name, value in label.meta.items() if name != "affine"}
    return MetaTensor(torch.from_numpy(stated), affine=label.affine, meta=meta)


def load_channels(
    path: str | Path, names: Sequence[str], *, spacing_mm: Sequence[float] | None = None
) -> dict[str, MetaTensor]:
    """Read a NIfTI file with channels along its fourth axis, with the checks of `LoadVolumed`.

    Args:
        path: path of the file.
        names: names of the channels in the order of the file.
        spacing_mm: spacing of a file whose header has none, see `LoadVolumed`.

    Returns:
        the volume [1, X, Y, Z] of each channel, whose metadata name the file.

    Raises:
        InputError: see `LoadVolumed`; or the file has another number of channels.
    """
    file = Path(path).expanduser()
    array, affine = read_volume_file(file, spacing_mm=parse_spacing(spacing_mm), n_channels=len(names))
    volumes = {}
    for number, name in enumerate(names):
        volumes[name] = as_meta_tensor(array[..., number], affine, f"{file}: channel {name}", is_label=False)
        volumes[name].meta["filename_or_obj"] = str(file)
    return volumes


def check_problem(case: Mapping[Hashable, Any]) -> None:
    """Raise a problem found when cases were listed, so that the other cases can continue.

    Raises:
        InputError: the case has an item "problem".
    """
    if "problem" in case:
        raise InputError(str(case["problem"]))
