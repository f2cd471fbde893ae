"""Plan spacing, size and intensities from a data set like nnU-Net's 2D planner, as an overlay for a configuration.

The rules are simpler than nnU-Net's. Slices are stacked along the patient axis whose median spacing is clearly the
largest, or are axial if there is none (`slice_planes`); nnU-Net always takes the axis of the largest spacing. The
planned spacing is the median in-plane spacing; the planned patch is the median slice at that spacing, rounded up to
the next multiple of the stride of a U-Net that halves until four pixels are left (600 becomes 640). nnU-Net would
then shrink the patch until its network fits into a given GPU; this depends on its network and is omitted here, so a
plan for very large slices is larger than nnU-Net's. The published MedDINOv3 fine-tuning shows the planned patch to the
network at `roi_size` pixels, hence `pixdim = planned spacing x planned patch / roi_size`.

Reference:
    Isensee et al., nnU-Net, Nature Methods 2021, supplementary note on automated configuration.
"""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from monai.transforms import MapTransform
from monai.utils import ensure_tuple_rep

from ...errors import InputError
from ...files import ResultFiles, check_results, write_text
from ...ignored_label import IGNORE
from ...slice_planes import SLICE_PLANES, check_axcodes, patient_spacing, plane_of_spacing, stored_axes
from ..volumes.ct_or_mr import parse_modality
from ..volumes.dicom import read_series
from ..volumes.file_checks import read_header
from ..volumes.grids import CheckSameGridd
from ..volumes.intensity_checks import check_intensities
from ..volumes.intensity_table import FINGERPRINT_KEYS
from ..volumes.label_loading import LoadLabeld
from ..volumes.loading import LoadVolumed
from ..volumes.resampling import in_plane_spacing
from .dataset_json import Case
from .datasets import read_datalist
from .label_names import class_names
from .layouts import find_layout
from .sequence_loading import LoadSequencesd

_SMALLEST_FEATURE_MAP = 4
_VOXELS_PER_CASE = 10_000

Grid = tuple[npt.NDArray[np.float64], tuple[int, ...]]


def plan(
    dataset_dir: str | Path,
    layout: str | None = None,
    roi_size: int | Sequence[int] = 896,
    output: str | Path | None = None,
    modality: str | None = None,
    seed: int = 0,
    label_names: Sequence[str] | None = None,
    drawn_names: Mapping[str, str] | None = None,
    axcodes: str | None = None,
) -> dict[str, Any]:
    """Derive orientation, spacing and intensity fingerprint of a data set from all its labelled cases.

    Args:
        dataset_dir: folder with dataset.json, or folder of BraTS, see `read_datalist`.
        layout: layout of the data set: amos, nnunet_raw, msd, brats or dicom; recognised if omitted.
        roi_size: rows and columns that the network sees.
        output: path of a .yaml, .yml or .json file to write; omit to write no file.
        modality: "ct" or "mr" if the data set does not state it; CT if omitted for a data set with both. The
            fingerprint is that of CT, also of a CT channel beside others; all else is normalised per volume.
        seed: seed for sampling voxels.
        label_names: names of the labels, the background first; required for regions drawn in DICOM. Other data sets
            have their own names, which these must match.
        drawn_names: label for each name of a drawn region, see `LoadLabeld`.
        axcodes: orientation: PLS (axial slices), ILP (coronal) or IPL (sagittal); derived from the spacing if omitted.

    Returns:
        {"axcodes": orientation of the slices, "pixdim": [rows, columns] in mm, "roi_size": [rows, columns],
        "fingerprint": {"percentile_00_5", "percentile_99_5", "mean", "std"} or None}, as written.

    Raises:
        InputError: the data set cannot be read, no voxel is labelled, the orientation is unknown, `output` has another
            suffix, or would replace a file that this project did not write or that was edited since.
    """
    path = None if output is None else _checked_output(Path(output).expanduser())
    roi = [int(n) for n in ensure_tuple_rep(roi_size, 2)]
    if min(roi) < 1:
        raise InputError(f"roi_size is {roi_size}; expected positive numbers of pixels.")
    if axcodes is not None:
        check_axcodes(axcodes)
    wanted = None if modality is None else parse_modality(modality, "modality")
    cases = read_datalist(dataset_dir, layout, "all_labelled", modality=wanted)
    channels, ct_channel = _ct_channel(cases)
    kinds = sorted({str(case["modality"]) for case in cases}) if channels is None else ["channels"]
    if len(kinds) > 1:
        warnings.warn(
            f"{dataset_dir}: contains ct and mr scans; this plan covers the ct scans, --modality mr plans the others",
            stacklevel=2,
        )
        cases, kinds = [case for case in cases if case["modality"] == "ct"], ["ct"]
    masks = any(isinstance(case["label"], Mapping) for case in cases)
    needs_labels = kinds == ["ct"] or ct_channel
    load_label = _label_loader(dataset_dir, layout, label_names, drawn_names, masks) if needs_labels else None
    grids = [_stored_grid(image, case) for case in cases for image in _images(case)]
    if axcodes is None:
        axcodes = planned_axcodes([affine for affine, _ in grids])
    spacing, patch = planned_grid(grids, axcodes)
    result: dict[str, Any] = {
        "axcodes": axcodes,
        "pixdim": [round(s * p / r, 6) for s, p, r in zip(spacing, patch, roi, strict=True)],
        "roi_size": roi,
        "fingerprint": None
        if load_label is None
        else intensity_fingerprint(cases, seed=seed, load_label=load_label, channels=channels, ct_channel=ct_channel),
    }
    if path is not None:
        _write(path, result)
    return result


def planned_axcodes(affines: Sequence[npt.NDArray[np.float64]]) -> str:
    """Choose the orientation of slices by the median spacing along the patient's axes, see `plane_of_spacing`."""
    spacing = [patient_spacing(affine) for affine in affines]
    axcodes = plane_of_spacing(np.median(spacing, axis=0))
    found = Counter(plane_of_spacing(mm) for mm in spacing)
    if others := [f"{n} are {SLICE_PLANES[other]}" for other, n in found.most_common() if other != axcodes]:
        warnings.warn(
            f"slices are planned {SLICE_PLANES[axcodes]}, by the median spacing; of {len(spacing)} scans "
            f"{', '.join(others)} by their own spacing: train on these separately, or set axcodes",
            stacklevel=3,
        )
    return axcodes


def planned_grid(grids: Sequence[Grid], axcodes: str) -> tuple[tuple[float, float], tuple[int, int]]:
    """Return the median in-plane spacing in mm and the planned patch size in pixels, (rows, columns).

    Args:
        grids: affine and size of each image; each sequence of a case counts.
        axcodes: orientation of the slices.
    """
    axes = [stored_axes(affine, axcodes) for affine, _ in grids]
    spacings = [in_plane_spacing(affine[:, order]) for (affine, _), order in zip(grids, axes, strict=True)]
    sizes = [(size[order[0]], size[order[1]]) for (_, size), order in zip(grids, axes, strict=True)]
    spacing = np.median(spacings, axis=0)
    shape = np.median(np.round(np.array(sizes) * np.array(spacings) / spacing), axis=0)
    patch = [divisible_size(round(float(n))) for n in shape]
    return (float(spacing[0]), float(spacing[1])), (patch[0], patch[1])


def divisible_size(pixels: int) -> int:
    """Round `pixels` up to a multiple of 2^k, with k the number of halvings that leave at least four pixels."""
    stride = 2 ** max(0, math.floor(math.log2(max(pixels, 1) / _SMALLEST_FEATURE_MAP)))
    return math.ceil(pixels / stride) * stride


def intensity_fingerprint(
    cases: Sequence[Case],
    *,
    seed: int = 0,
    load_label: MapTransform | None = None,
    channels: Sequence[str] | None = None,
    ct_channel: str | None = None,
) -> dict[str, float]:
    """Compute nnU-Net's statistics of labelled voxels: 0.5 and 99.5 percentile, mean and standard deviation in HU.

    At most 10,000 voxels per case are drawn, depending on `seed` and the case's position in the list.

    Args:
        cases: labelled cases, all CT, or with one channel that is CT.
        seed: seed for drawing voxels.
        load_label: transform that reads the item "label" after the image; None for `LoadVolumed`.
        channels: names of the channels of each case; None for one volume.
        ct_channel: name of the channel that is CT; None for one volume.

    Raises:
        InputError: a case cannot be read, image and label have different grids, or nothing is labelled.
    """
    load_image = LoadVolumed(keys="image") if channels is None else LoadSequencesd(keys="image", sequences=channels)
    number_of_ct = channels.index(ct_channel) if channels and ct_channel else 0
    check = CheckSameGridd()
    load_label = load_label or LoadVolumed(keys="label")
    samples: list[npt.NDArray[np.float32]] = []
    for number, case in enumerate(cases):
        entry: dict[Hashable, Any] = {key: case[key] for key in case}
        loaded = check(load_label(load_image(entry)))
        image, label = loaded["image"].as_tensor()[number_of_ct][None], loaded["label"].as_tensor()
        check_intensities(image, "ct", str(loaded["image"].meta["filename_or_obj"]))
        voxels = image[(label > 0) & (label != IGNORE)].numpy()
        if voxels.size:
            rng = np.random.default_rng([seed, number])
            samples.append(rng.choice(voxels, min(_VOXELS_PER_CASE, voxels.size), replace=False))
    if not samples:
        raise InputError("no label map has a voxel above 0; expected labelled organs. Check the label files.")
    pooled = np.concatenate(samples).astype(np.float64)
    values = [*np.percentile(pooled, (0.5, 99.5)), pooled.mean(), pooled.std()]
    return {key: round(float(v), 4) for key, v in zip(FINGERPRINT_KEYS, values, strict=True)}


def _label_loader(
    dataset_dir: str | Path,
    layout: str | None,
    label_names: Sequence[str] | None,
    drawn_names: Mapping[str, str] | None,
    has_masks: bool,
) -> MapTransform:
    if label_names is None and drawn_names is None and not has_masks and find_layout(dataset_dir, layout) != "dicom":
        return LoadVolumed(keys="label")
    names = class_names(dataset_dir=dataset_dir, layout=layout, stated=label_names)
    return LoadLabeld("label", label_names=names, drawn_names=drawn_names)


def _images(case: Case) -> list[str]:
    image = case["image"]
    return [str(path) for path in image.values()] if isinstance(image, Mapping) else [str(image)]


def _ct_channel(cases: Sequence[Case]) -> tuple[list[str] | None, str | None]:
    """Return the channels of cases whose channels have different modalities, and the one that is CT.

    None for cases of one modality; no CT if there is none, or several, which one fingerprint cannot describe.
    """
    of_channels = cases[0]["modality"]
    if not isinstance(of_channels, Mapping):
        return None, None
    ct = [name for name, modality in of_channels.items() if modality == "ct"]
    if len(ct) > 1:
        warnings.warn(
            f"the channels {', '.join(ct)} are CT, which one fingerprint cannot describe: the plan has none, and CT is "
            "normalised by the fixed table",
            stacklevel=3,
        )
    return list(of_channels), ct[0] if len(ct) == 1 else None


def _stored_grid(path: str, case: Case) -> Grid:
    if Path(path).is_dir():
        series = read_series(path, series_uid=case.get("series_uid"))
        return series.affine, series.voxels.shape
    header = read_header(path, n_channels=len(case["channels"]) if "channels" in case else None)
    return header.affine, header.shape


def _checked_output(path: Path) -> Path:
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise InputError(f"{path}: expected a name that ends in .yaml, .yml or .json.")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder. Create it, or choose another output.")
    check_results([path])
    return path


def _write(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2) if path.suffix == ".json" else yaml.safe_dump(content, sort_keys=False)
    with ResultFiles() as files:
        write_text(files.path(path), text)
