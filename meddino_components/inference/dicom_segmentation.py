"""Write a label map as a DICOM Segmentation object on the grid of its series, with highdicom.

X, Y, Z: columns, rows and slices of the series; F frames (one per slice), R rows, C columns.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray

from .. import __version__
from ..data.volumes.dicom import UNEVEN_TOLERANCE
from ..data.volumes.grid_checks import LPS_TO_RAS, plain
from ..errors import InputError
from ..pictures.overlay import organ_colour
from ..project import ADDRESS, extra
from .segment_codes import Code, SegmentCode

_NAME = "MedDINOv3"
_SERIES_NUMBER_OFFSET = 1000  # added to the series number of the scan
_GEOMETRY_TOLERANCE_MM = 1e-3
_END_TOLERANCE = 0.01  # as a share of the slice spacing
# patient and study attributes that every object must have, possibly empty; some de-identified files lack them
_TYPE_2 = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
)


def require_highdicom() -> Any:
    """Return the package `highdicom`.

    Raises:
        InputError: it is not installed.
    """
    highdicom, found = optional_import("highdicom")
    if not found:
        raise InputError(f"DICOM SEG needs the package highdicom: {extra('dicom')}")
    return highdicom


def write_dicom_segmentation(
    path: Path,
    *,
    labels: NDArray[np.uint8],
    affine: NDArray[np.float64],
    source_files: Sequence[str],
    label_names: Mapping[int, str],
    codes: Mapping[int, SegmentCode],
    resampled: bool = False,
    model_sha256: str | None = None,
) -> None:
    """Write labels as a binary DICOM SEG.

    The object belongs to the patient and the study of the source and holds their names, ids and dates, as the standard
    requires. Only the user may therefore read the file, and messages and warnings of the libraries, which quote such
    values, are suppressed. Segment n is the n-th label, even if nothing was found for it. Empty frames are left out.
    Positions are exactly those of the source's files; for a resampled series they are those of the new grid, and frames
    do not reference source images. Two objects of the same labels differ only in UIDs and times.

    Args:
        path: path of the file to write.
        labels: label map [X, Y, Z]; 0 is the background.
        affine: affine [4, 4] from voxel indices to RAS mm.
        source_files: files of the series, in the order of Z.
        label_names: names by label.
        codes: code of each label except the background, see `segment_codes`.
        resampled: whether the grid of ``labels`` differs from the slices of the files.
        model_sha256: SHA-256 of the weights, recorded as a parameter of the algorithm.

    Raises:
        InputError: highdicom is not installed, a label has no code, the files do not match the grid of the labels, or
            highdicom cannot create an object for this series.
    """
    hd = require_highdicom()
    pydicom, _ = optional_import("pydicom")
    folder = Path(source_files[0]).parent
    frames = _number_segments(np.ascontiguousarray(labels.transpose(2, 1, 0)), sorted(codes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the values of tags
        try:
            sources = [pydicom.dcmread(file, stop_before_pixels=True) for file in source_files]
            _complete(sources, spacing_mm=float(np.linalg.norm(affine[:3, 2])))
            if not resampled:
                _check_geometry(sources, affine, labels.shape, folder)
            uids = [pydicom.uid.generate_uid() for _ in range(2)]
            segmentation = hd.seg.Segmentation(
                source_images=sources,
                pixel_array=_volume(hd, frames, affine, sources[0]) if resampled else frames,
                segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=_descriptions(hd, label_names, codes, model_sha256),
                series_instance_uid=uids[0],
                series_number=int(sources[0].get("SeriesNumber") or 0) + _SERIES_NUMBER_OFFSET,
                sop_instance_uid=uids[1],
                instance_number=1,
                manufacturer="meddino",
                manufacturer_model_name=_NAME,
                software_versions=__version__,
                device_serial_number=(model_sha256 or "unknown")[:16],
                specific_character_set="ISO_IR 192",  # pydicom decoded the values; they are encoded again
                content_label="SEGMENTATION",
                content_description="Segmentation of organs or lesions",
                series_description=f"{_NAME} segmentation",
                omit_empty_frames=bool(frames.any()),
            )
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # patient data: readable only by the user
            os.chmod(path, 0o600)
            segmentation.save_as(path)
        except InputError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        except Exception as error:
            # messages of pydicom and highdicom may quote patient data; the name of a missing attribute is harmless
            reason = f": {error}" if isinstance(error, (AttributeError, KeyError)) else ""
            raise InputError(
                f"{folder}: cannot create a DICOM SEG for this series ({type(error).__name__}{reason}). Export it "
                f"again with complete headers, or set dicom_seg to False to write only NIfTI"
            ) from None


def _number_segments(frames: NDArray[np.uint8], labels: Sequence[int]) -> NDArray[np.uint8]:
    """Renumber labels 1, 2, 3 without gaps, as DICOM requires for segments."""
    if list(labels) != list(range(1, len(labels) + 1)):
        table = np.full(256, 255, np.uint8)
        table[[0, *labels]] = range(len(labels) + 1)
        frames = table[frames]
    if frames.max(initial=0) > len(labels):
        raise InputError(f"the prediction holds labels without a code; expected 0 and {list(labels)}")
    return frames


def _complete(sources: Sequence[Any], *, spacing_mm: float) -> None:
    """Add attributes that highdicom needs but headers may lack: empty, and the thickness equal to the spacing."""
    for source in sources:
        for keyword in _TYPE_2:
            if keyword not in source:
                setattr(source, keyword, None)
        if not source.get("SliceThickness"):
            source.SliceThickness = round(spacing_mm, 6)


def _check_geometry(sources: Sequence[Any], affine: NDArray[np.float64], shape: tuple[int, ...], folder: Path) -> None:
    """Compare the files' own positions with the grid of the labels, which another reader computed."""
    lps = LPS_TO_RAS @ affine
    first = sources[0]
    axes = np.array(first.ImageOrientationPatient, dtype=float).reshape(2, 3)
    steps = axes * np.array(first.PixelSpacing, dtype=float)[::-1, None]
    corner = np.array([shape[0] - 1, shape[1] - 1], dtype=float)
    positions = np.array([source.ImagePositionPatient for source in sources], dtype=float)
    expected = lps[:3, 3] + np.arange(len(sources))[:, None] * lps[:3, 2]
    off = np.linalg.norm(positions - expected, axis=1)
    off[0] += np.linalg.norm(corner @ steps - corner @ lps[:3, :2].T)
    # the end slices define the grid; slices between them may deviate as far as reading the series allows
    allowed = np.full(len(sources), UNEVEN_TOLERANCE)
    allowed[[0, -1]] = _END_TOLERANCE
    too_far = (off > _GEOMETRY_TOLERANCE_MM + allowed * float(np.linalg.norm(affine[:3, 2]))).any()
    if (len(sources), int(first.Columns), int(first.Rows)) != (shape[2], *shape[:2]) or too_far:
        raise InputError(
            f"{folder}: the labels (shape {plain(shape)}) lie up to {off.max():.4f} mm away from the {len(sources)} "
            f"files of the series. Run again if the files have changed since they were read"
        )


def _volume(hd: Any, frames: NDArray[np.uint8], affine: NDArray[np.float64], source: Any) -> Any:
    """Return the labels with their own grid, indexed [F, R, C]."""
    lps = LPS_TO_RAS @ affine
    return hd.Volume(
        array=frames,
        affine=lps[:, [2, 1, 0, 3]],
        coordinate_system="PATIENT",
        frame_of_reference_uid=source.FrameOfReferenceUID,
    )


def _descriptions(
    hd: Any, names: Mapping[int, str], codes: Mapping[int, SegmentCode], model_sha256: str | None
) -> list[Any]:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=_NAME,
        family=hd.sr.CodedConcept("123109", "DCM", "Artificial Intelligence"),
        version=__version__,
        source=ADDRESS,
        parameters={"model_sha256": model_sha256} if model_sha256 else None,
    )
    return [
        _description(hd, number, organ_colour(label), names[label], codes[label], algorithm)
        for number, label in enumerate(sorted(codes), start=1)
    ]


def _description(
    hd: Any, number: int, colour: tuple[float, float, float], name: str, code: SegmentCode, algorithm: Any
) -> Any:
    def concept(part: Code) -> Any:
        return hd.sr.CodedConcept(part.value, part.scheme, part.meaning)

    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=concept(code.category),
        segmented_property_type=concept(code.kind),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        anatomic_regions=None if code.region is None else [concept(code.region)],
        display_color=hd.color.CIELabColor.from_rgb(*(255 * part for part in colour)),
    )
    if code.modifier is not None:  # highdicom has no argument for a modifier
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [concept(code.modifier)]
    return description
