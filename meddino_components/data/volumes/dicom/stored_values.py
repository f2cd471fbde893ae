"""Check tags that describe stored pixel values: units, inversion, and number of pixels."""

from __future__ import annotations

import warnings
from pathlib import Path

from ....errors import InputError
from ..size_limits import check_claimed_size, check_voxel_count
from .headers import SliceHeader
from .series import DicomSeries

# HU; unspecified, as some writers state; not stated
_HU_TYPES = ("HU", "US", "")
# transfer syntaxes without compression: implicit, explicit and big endian
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


def check_stored_values(series: DicomSeries, folder: Path) -> None:
    """Refuse pixels that would be read as wrong intensities, or that a file cannot contain.

    `check_intensities` checks the range of the voxels afterwards. Messages contain no patient data.

    Raises:
        InputError: pixels are stored inverted, a lookup table replaces slope and intercept, a CT has other units than
            HU or no rescale tags, or there are more pixels than the file contains or the limit allows.
    """
    check_voxel_count(folder, sum(_n_pixels(header) for header in series.slices))
    for header in series.slices:
        name, tags = header.path.name, header.tags
        if tags["photometric"] == "MONOCHROME1" or tags["lut_shape"] == "INVERSE":
            found = "MONOCHROME1" if tags["photometric"] == "MONOCHROME1" else "PresentationLUTShape INVERSE"
            raise InputError(
                f"{folder}: {name} has {found}: its lowest values are shown white, and readers disagree on whether "
                "its intensities are inverted. Export the series again as MONOCHROME2, or convert it to NIfTI and "
                "check there that air is dark."
            )
        if tags["photometric"] != "MONOCHROME2":
            raise InputError(
                f"{folder}: {name} has the PhotometricInterpretation {tags['photometric'][:16]!a}; expected "
                "MONOCHROME2. Export the series again from its source."
            )
        if tags["modality_lut"]:
            raise InputError(
                f"{folder}: {name} has a Modality LUT Sequence, a table in place of rescale slope and intercept, which "
                "is not supported. Export the series again with the table applied."
            )
        if series.modality == "ct":
            _check_hu(header, folder)
        if tags["transfer_syntax"] in _UNCOMPRESSED:
            claimed = _n_pixels(header) * header.number("samples", 1) * ((header.number("bits", 16) + 7) // 8)
            check_claimed_size(header.path, claimed, stored_bytes=header.path.stat().st_size, compressed=False)
    if series.modality == "ct" and any(header.tags["rescale_type"] == "US" for header in series.slices):
        warnings.warn(f"{folder}: RescaleType is US, units not specified; the voxels are taken as HU.", stacklevel=2)


def _check_hu(header: SliceHeader, folder: Path) -> None:
    name = header.path.name
    slope, intercept = header.floats("slope", 1), header.floats("intercept", 1)
    if slope is None or intercept is None:
        raise InputError(
            f"{folder}: {name} lacks rescale slope or intercept, so its HU are unknown. Export the series again "
            "from its source."
        )
    if slope[0] <= 0:
        raise InputError(
            f"{folder}: {name} has rescale slope {slope[0]:g}; expected a positive number. Export the series again "
            "from its source."
        )
    kind = header.tags["rescale_type"].upper()
    if kind not in _HU_TYPES:
        raise InputError(
            f"{folder}: {name} has RescaleType '{kind[:16]}'; expected HU. It is a map derived from a CT: "
            "give the series in HU."
        )


def _n_pixels(header: SliceHeader) -> int:
    return header.number("rows", 0) * header.number("columns", 0) * header.number("frames", 1)
