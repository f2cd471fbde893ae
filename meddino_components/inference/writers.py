"""Write a case's prediction and measurements: ``<case_id>.nii.gz``, ``.json``, ``.png``, ``.dcm``."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import monai
import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from .. import __version__
from ..data.volumes.grids import as_on_grid, same_grid
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..files import OutputFolder, ResultFiles, write_text
from ..pictures.blank_figure import has_matplotlib
from ..pictures.overlay import region_labels, write_overlay
from ..pictures.page_view import axcodes_of
from ..project import extra
from .case_pictures import CasePicture, DrawnCase, pictures_by_name
from .case_record import is_complete, provenance, source_digest
from .dicom_segmentation import require_highdicom, write_dicom_segmentation
from .segment_codes import codes_of

# fields of a NIfTI header that a label map on the same grid shares with its source
_GRID_FIELDS = (
    *("dim_info", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
LABEL_SUFFIX = ".nii.gz"
SEGMENTATION_SUFFIX = ".dcm"


_logger = logging.getLogger(__name__)


def label_path(output_dir: str | Path, case_id: str) -> Path:
    """Return the path of a case's label map.

    Raises:
        InputError: the case's id cannot be used as a file name.
    """
    if not case_id or case_id.startswith(".") or set(case_id) & set('/\\\0:"<>|?*'):
        raise InputError(f"case_id {case_id!r} cannot be used as a file name: give each case a plain, unique id")
    return Path(output_dir) / f"{case_id}{LABEL_SUFFIX}"


class WriteCased(Transform):
    """Write a case's labels on the input's own grid, the organs' volumes, and an overview image.

    The label map has the shape and the bit-equal affine of the source file. The header of a NIfTI source is kept
    (sform, qform, units), except free text and extensions, which may name the patient. A prediction that is still in
    the network's orientation is reoriented here; one that was inverted before (``Invertd``) stays as it is. The files
    appear together or, after an error, not at all. Only the DICOM SEG contains patient data.

    ``<case_id>.json`` is written last; it contains the SHA-256 of the other files, the weights and the settings. It
    replaces results of earlier runs, but never other files (see `OutputFolder`).

    Args:
        output_dir: output folder, created if missing.
        label_names: names by label, as a sequence (background first) or a mapping (keys may be strings, as in JSON).
        key: item with the prediction, [1, X, Y, Z] with its affine.
        image_key: item with the preprocessed image, whose ``meta`` holds ``original_affine``, ``spatial_shape`` and
            ``filename_or_obj`` of the source.
        overlay: whether to write the PNG; without matplotlib, a warning is logged instead.
        pictures: further pictures of each case, each written to ``<case_id>_<name>.png``, see `CasePicture`.
        window: grey window (low, high) in the units of the preprocessed image; None derives it from the labelled
            voxels.
        model_sha256: SHA-256 of the weights, recorded in the JSON.
        record_id: id of the weights' record, recorded in the JSON.
        settings: settings that affect the labels as plain data, recorded in the JSON.
        overwrite: whether to replace results that were edited since, too.
        regions: regions that the labels form together; their volumes are written and drawn, too.
        channel_names: names of the image's channels, for the PNG.
        shown_channels: names of channels to draw; None draws the first.
        background: value of the image outside the patient, drawn black.
        dicom_seg: whether to also write a DICOM SEG for a DICOM series (needs highdicom).
        segment_codes: codes for labels that `segment_codes` does not know, see `codes_of`.

    Raises:
        InputError: the prediction is not on the source's grid, the case's id cannot be used as a file name, or
            ``dicom_seg`` is set without highdicom or for a label without a code.
    """

    def __init__(
        self,
        *,
        output_dir: str | Path,
        label_names: Sequence[str] | Mapping[int | str, str],
        key: str = "pred",
        image_key: str = "image",
        overlay: bool = True,
        window: Sequence[float] | None = None,
        model_sha256: str | None = None,
        record_id: str | None = None,
        settings: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        regions: Regions | None = None,
        channel_names: Sequence[str] = ("image",),
        shown_channels: Sequence[str] | None = None,
        background: float | None = None,
        dicom_seg: bool = False,
        segment_codes: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        pictures: Sequence[CasePicture] = (),
    ) -> None:
        self.pictures = pictures_by_name(pictures)
        self.output_dir = Path(output_dir)
        items = label_names.items() if isinstance(label_names, Mapping) else enumerate(label_names)
        self.label_names = {int(label): str(name) for label, name in items}
        self.key = key
        self.image_key = image_key
        self.overlay = overlay and has_matplotlib()
        if overlay and not self.overlay:
            _logger.warning("no pictures: matplotlib is not installed; %s", extra("report"))
        self.window = None if window is None else (float(window[0]), float(window[1]))
        self.model_sha256, self.record_id = model_sha256, record_id
        self.settings = dict(settings or {})
        self.folder = OutputFolder(output_dir, overwrite=overwrite)
        self.regions, self.background = regions, background
        self.channels = shown_numbers(channel_names, shown_channels)
        self.codes = None
        if dicom_seg:  # fail here, not after the first case
            require_highdicom()
            self.codes = codes_of(self.label_names, segment_codes)

    def names(self, case: Mapping[str, Any]) -> list[str]:
        """Return the names of the files that a listed case will get."""
        labels = label_path(self.output_dir, str(case["case_id"])).name
        image = case.get("image", "")
        # outputs have the grid of the first sequence
        first = next(iter(image.values()), "") if isinstance(image, Mapping) else image
        suffixes = [".json"] + [".png"] * self.overlay + [f"_{name}.png" for name in self.pictures]
        suffixes += [SEGMENTATION_SUFFIX] * (self.codes is not None and Path(str(first)).is_dir())
        return [labels, *(f"{case['case_id']}{suffix}" for suffix in suffixes)]

    def is_complete(self, case: Mapping[str, Any], *more: str) -> bool:
        """Return whether an earlier run with these weights and settings wrote the whole case, including the files
        ``more``."""
        report = self.output_dir / f"{case['case_id']}.json"
        return is_complete(
            report,
            {*self.names(case), *more} - {report.name},
            source=source_digest(case),
            model_sha256=self.model_sha256,
            settings=self.settings,
        )

    def __call__(self, data: Mapping[Hashable, Any]) -> Mapping[Hashable, Any]:
        """Write the case and return it unchanged.

        It also reads ``case_id`` and, if present, ``seconds``, ``source`` (`source_digest`) and ``files`` (an open
        block that publishes these files with its own).
        """
        image, prediction, case_id = data[self.image_key], data[self.key], str(data["case_id"])
        final = label_path(self.output_dir, case_id)
        source_affine = np.asarray(image.meta["original_affine"], dtype=np.float64)
        source_shape = tuple(int(n) for n in np.asarray(image.meta["spatial_shape"])[:3])
        labels = as_on_grid(_as_uint8(prediction), _affine(prediction), source_affine, source_shape)
        counts = count_labels(labels)
        spacing_mm = np.linalg.norm(source_affine[:3, :3], axis=0)
        report = {
            "case_id": case_id,
            "organs": self._organs(counts, source_affine),
            **({} if self.regions is None else {"regions": self._regions(self.regions, counts, source_affine)}),
            # the scan ends there, so their volumes may be incomplete
            "at_edge": self._at_edge(labels),
            "shape": list(labels.shape),
            "spacing_mm": [round(float(s), 6) for s in spacing_mm],
            "seconds": None if data.get("seconds") is None else round(float(data["seconds"]), 3),
            "record_id": self.record_id,
            "software": {
                "meddino": __version__,
                "monai": monai.__version__,
                "torch": torch.__version__,
            },
        }
        self.output_dir.mkdir(parents=True, exist_ok=True)
        files: ResultFiles = data.get("files") or self.folder.files()
        with files:
            nib.save(nifti_like_source(labels, source_affine, _source_file(image)), files.path(final))
            if self.overlay:
                self._write_overlay(files.path(final.with_name(f"{case_id}.png")), image, labels, source_affine, report)
            for name, picture in self.pictures.items():
                picture.draw(files.path(final.with_name(f"{case_id}_{name}.png")), self._drawn(image, labels, report))
            if self.codes is not None and "dicom_files" in image.meta:
                write_dicom_segmentation(
                    files.path(final.with_name(f"{case_id}{SEGMENTATION_SUFFIX}")),
                    labels=labels,
                    affine=source_affine,
                    source_files=image.meta["dicom_files"],
                    label_names=self.label_names,
                    codes=self.codes,
                    resampled=bool(image.meta["dicom_resampled"]),
                    model_sha256=self.model_sha256,
                )
            report |= provenance(
                files.written(),
                source=data.get("source"),
                model_sha256=self.model_sha256,
                settings=self.settings,
            )
            # written last: if it exists and its hashes match, the case is complete
            text = json.dumps(report, indent=2, ensure_ascii=False)
            write_text(files.path(final.with_name(f"{case_id}.json")), text + "\n")
        return data

    def _at_edge(self, labels: NDArray[np.uint8]) -> list[str]:
        """Return the names of organs and regions that reach the first or last voxel along an axis."""
        faces = (labels[(slice(None),) * axis + (end,)] for axis in range(3) for end in (0, -1))
        found = {int(label) for face in faces for label in np.unique(face)} - {0}
        names = [self.label_names.get(label, f"label_{label}") for label in sorted(found)]
        regions = () if self.regions is None else zip(self.regions.names, self.regions.members, strict=True)
        return [*names, *(name for name, members in regions if found & set(members))]

    @staticmethod
    def _regions(
        regions: Regions, counts: NDArray[np.int64], affine: NDArray[np.float64]
    ) -> dict[str, dict[str, list[int] | float]]:
        voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
        voxels = [int(counts[list(labels)].sum()) for labels in regions.members]
        return {
            name: {"labels": list(labels), "voxels": n, "volume_ml": round(n * voxel_ml, 3)}
            for name, labels, n in zip(regions.names, regions.members, voxels, strict=True)
        }

    def _organs(self, counts: NDArray[np.int64], affine: NDArray[np.float64]) -> dict[str, dict[str, float]]:
        voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
        names = dict(self.label_names)
        names.update({int(k): f"label_{k}" for k in np.flatnonzero(counts) if int(k) not in names})
        return {
            name: {"label": label, "voxels": int(counts[label]), "volume_ml": round(int(counts[label]) * voxel_ml, 3)}
            for label, name in sorted(names.items())
            if label != 0
        }

    def _drawn(self, image: MetaTensor, labels: NDArray[np.uint8], report: Mapping[str, Any]) -> DrawnCase:
        """Return the case for drawing, with labels on the slices of the network's input."""
        canonical = _affine(image)
        volumes = image.as_tensor().cpu().numpy()
        source_affine = np.asarray(image.meta["original_affine"], dtype=np.float64)
        return DrawnCase(
            case_id=str(report["case_id"]),
            images={name: volumes[number] for name, number in self.channels.items()},
            labels=as_on_grid(labels, source_affine, canonical, volumes.shape[1:]),
            label_names=self.label_names,
            spacing_mm=tuple(float(side) for side in np.linalg.norm(canonical[:3, :3], axis=0)),
            axcodes=axcodes_of(canonical),
        )

    def _write_overlay(
        self,
        path: Path,
        image: MetaTensor,
        labels: NDArray[np.uint8],
        affine: NDArray[np.float64],
        report: dict[str, Any],
    ) -> None:
        canonical = _affine(image)
        volumes = image.as_tensor().cpu().numpy()
        drawn = as_on_grid(labels, affine, canonical, volumes.shape[1:])
        organs = {o["label"]: (name, o["volume_ml"]) for name, o in report["organs"].items()}
        regions: list[tuple[Sequence[int], str, float]] = []
        if self.regions is not None:
            drawn, organs, regions = _in_region_colours(self.regions, drawn, organs, report["regions"])
        write_overlay(
            path,
            image={name: volumes[k] for name, k in self.channels.items()} if len(self.channels) > 1 else volumes[0],
            labels=drawn,
            spacing_mm=tuple(np.linalg.norm(canonical[:3, :3], axis=0)),
            organs=organs,
            title=report["case_id"],
            window=self.window,
            background=self.background,
            regions=regions,
            axcodes=axcodes_of(canonical),
        )


def shown_numbers(channel_names: Sequence[str], shown: Sequence[str] | None) -> dict[str, int]:
    """Return the channels to draw by name; the first one if none is named.

    Raises:
        InputError: a channel does not exist.
    """
    numbers = {str(name): number for number, name in enumerate(channel_names)}
    chosen = [str(name) for name in (shown or list(numbers)[:1])]
    if missing := [name for name in chosen if name not in numbers]:
        raise InputError(f"shown_channels names {missing[0]!r}; expected some of {', '.join(numbers)}")
    return {name: numbers[name] for name in chosen}


def _in_region_colours(
    regions: Regions,
    labels: NDArray[np.uint8],
    organs: Mapping[int, tuple[str, float]],
    volumes: Mapping[str, Mapping[str, Any]],
) -> tuple[NDArray[np.uint8], dict[int, tuple[str, float]], list[tuple[Sequence[int], str, float]]]:
    """Number labels, tissues and regions by `region_labels`, so that sheets look the same for every year."""
    numbers = region_labels(len(regions.names))
    drawn = np.array((0, *numbers), np.uint8)[regions.innermost(labels)]
    tissues = {number: organs[label] for number, label in zip(numbers, regions.written, strict=True)}
    entries = [(numbers[k:], name, float(volumes[name]["volume_ml"])) for k, name in enumerate(regions.names)]
    # the innermost region is the same as its tissue
    return drawn, tissues, [entry for entry in entries if len(entry[0]) > 1]


def count_labels(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the voxels of each label, [256], slab by slab: bincount of a whole volume would convert it to int64."""
    counts = np.zeros(256, dtype=np.int64)
    for slab in np.moveaxis(labels, int(np.argmax(labels.strides)), 0):
        counts += np.bincount(slab.ravel(), minlength=256)
    return counts


def nifti_like_source(labels: NDArray[np.uint8], affine: NDArray[np.float64], source: Path | None) -> Any:
    """Return a NIfTI-1 image of the labels, with the source's own header if the source is a NIfTI on this grid.

    The source's text fields and extensions are not kept, as they may name the patient.
    """
    stored = _source_header(source, affine)
    if stored is None:
        image = nib.Nifti1Image(labels, affine)
        image.header.set_xyzt_units("mm")
        return image
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    for field in _GRID_FIELDS:
        header[field] = stored[field]
    header.set_data_shape(labels.shape)
    return nib.Nifti1Image(labels, None, header)  # with affine None, sform and qform stay bit-equal


def _source_header(source: Path | None, affine: NDArray[np.float64]) -> Any:
    if source is None:
        return None
    try:
        loaded = nib.load(source)
    except (ImageFileError, OSError):
        return None  # NRRD, MetaImage, DICOM
    if not isinstance(loaded, nib.Nifti1Pair) or not same_grid(loaded.affine, affine):
        return None
    return loaded.header


def _source_file(image: MetaTensor) -> Path | None:
    name = image.meta.get("filename_or_obj")
    return Path(name) if isinstance(name, (str, Path)) and Path(name).is_file() else None


def _affine(tensor: MetaTensor) -> NDArray[np.float64]:
    return np.asarray(tensor.affine.cpu(), dtype=np.float64)


def _as_uint8(prediction: torch.Tensor) -> NDArray[np.uint8]:
    """Return [X, Y, Z] from a prediction [1, X, Y, Z]."""
    if prediction.ndim != 4 or prediction.shape[0] != 1:
        raise InputError(f"expected labels [1, X, Y, Z], got {tuple(prediction.shape)}: convert class scores to labels")
    return np.asarray(prediction.detach().cpu().to(torch.uint8))[0]
