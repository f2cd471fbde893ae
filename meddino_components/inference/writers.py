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
from numpy.typing import NDArray

from .. import __version__
from ..data.volumes.grids import as_on_grid
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..files import OutputFolder, ResultFiles, write_text
from ..pictures.blank_figure import has_matplotlib
from ..project import extra
from .case_overlay import write_case_overlay
from .case_pictures import CasePicture, drawn_case, pictures_by_name, shown_numbers
from .case_record import is_complete, provenance, source_digest
from .dicom_segmentation import require_highdicom, write_dicom_segmentation
from .label_map import label_path, nifti_like_source
from .label_volumes import count_labels, names_at_edge, organ_volumes, region_volumes
from .model import OWN_SETTINGS
from .segment_codes import codes_of

SEGMENTATION_SUFFIX = ".dcm"

_logger = logging.getLogger(__name__)


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
        members: description of each network if several segment together, see `member_facts`; recorded in the JSON.
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
        members: Sequence[Mapping[str, Any]] | None = None,
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
        self.members = list(members or ())
        self.settings = dict(settings or {})
        if self.members:  # each has its own
            self.settings |= {name: [one[name] for one in self.members] for name in OWN_SETTINGS}
        self.folder = OutputFolder(output_dir, overwrite=overwrite)
        self.regions, self.background = regions, background
        self.channels = shown_numbers(channel_names, shown_channels)
        self.codes = None
        if dicom_seg:  # fail here, not after the first case
            require_highdicom()
            self.codes = codes_of(self.label_names, segment_codes)

    @property
    def _weights(self) -> str | None:
        """Return the SHA-256 of the weights, those of all networks in one text."""
        return " ".join(one["model_sha256"] for one in self.members) or self.model_sha256

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
        """Return whether an earlier run with these weights and settings wrote the case, including files ``more``."""
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
            "organs": organ_volumes(counts, source_affine, self.label_names),
            **({} if self.regions is None else {"regions": region_volumes(counts, source_affine, self.regions)}),
            "at_edge": names_at_edge(labels, self.label_names, self.regions),
            "shape": list(labels.shape),
            "spacing_mm": [round(float(s), 6) for s in spacing_mm],
            "seconds": None if data.get("seconds") is None else round(float(data["seconds"]), 3),
            "record_id": self.record_id,
            **({"members": self.members} if self.members else {}),
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
            self._draw(files, image, labels, report)
            if self.codes is not None and "dicom_files" in image.meta:
                write_dicom_segmentation(
                    files.path(final.with_name(f"{case_id}{SEGMENTATION_SUFFIX}")),
                    labels=labels,
                    affine=source_affine,
                    source_files=image.meta["dicom_files"],
                    label_names=self.label_names,
                    codes=self.codes,
                    resampled=bool(image.meta["dicom_resampled"]),
                    model_sha256=self._weights,
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

    def _draw(
        self, files: ResultFiles, image: MetaTensor, labels: NDArray[np.uint8], report: Mapping[str, Any]
    ) -> None:
        if not self.overlay and not self.pictures:
            return
        case_id = str(report["case_id"])
        case = drawn_case(image, labels, case_id=case_id, label_names=self.label_names, channels=self.channels)
        if self.overlay:
            write_case_overlay(
                files.path(self.output_dir / f"{case_id}.png"),
                case,
                report,
                regions=self.regions,
                window=self.window,
                background=self.background,
            )
        for name, picture in self.pictures.items():
            picture.draw(files.path(self.output_dir / f"{case_id}_{name}.png"), case)


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
