"""One DICOM file with one picture, such as a radiograph, to grey values or colours in 0..1.

H rows, W columns, as stored; C channels.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.utils import optional_import

from ...errors import InputError
from ..volumes.file_checks import check_is_image_file

itk, _ = optional_import("itk")

FloatArray = npt.NDArray[np.float32]

_TAGS = {
    "photometric": "0028|0004",
    "bits_stored": "0028|0101",
    "signed": "0028|0103",
    "padding": "0028|0120",
    "window_center": "0028|1050",
    "window_width": "0028|1051",
    "intercept": "0028|1052",
    "slope": "0028|1053",
    "window_function": "0028|1056",
}


def read_radiograph(path: str | Path) -> FloatArray:
    """The picture [C, H, W] of a DICOM file as a reader sees it, in 0..1; C is 1, or 3 for colours.

    Grey values run from dark to bright: MONOCHROME1 is inverted. The range is that of the first window that the file
    states (LINEAR, LINEAR_EXACT or SIGMOID, DICOM PS3.3 C.11.2.1); without one, that of the bits stored up to 8 bits,
    else from the lowest to the highest value. Padding is 0 and does not count. Lookup tables (VOI LUT Sequence) are not
    applied.

    Raises:
        InputError: the file cannot be read, has several frames or one value alone, or states a window without width.
    """
    path = Path(path)
    check_is_image_file(path)
    io = itk.GDCMImageIO.New(FileName=str(path))
    try:
        io.ReadImageInformation()
        meta = io.GetMetaDataDictionary()
        tags = {name: str(meta[tag]).strip(" \0") if meta.HasKey(tag) else "" for name, tag in _TAGS.items()}
        in_colour = io.GetNumberOfComponents() == 3
        pixels = _read_pixels(io, path, in_colour)
    except RuntimeError as error:  # GDCM's message says no more than that it cannot be read
        raise InputError(
            f"{path}: cannot be read as a DICOM picture: it is truncated, damaged or compressed in an unknown way. "
            "Copy or export it again."
        ) from error
    if len(pixels) != 1:
        raise InputError(f"{path}: holds {len(pixels)} frames; expected one picture. Export the frame that is meant.")
    if in_colour:
        return np.moveaxis(pixels[0], -1, 0).astype(np.float32) / 255
    return _in_range(pixels[0].astype(np.float32), tags, path)[None]


def _read_pixels(io: Any, path: Path, in_colour: bool) -> npt.NDArray[Any]:
    if in_colour and io.GetComponentSize() != 1:
        raise InputError(f"{path}: colours of {8 * io.GetComponentSize()} bits; expected 8. Export it with 8 bits.")
    kind = itk.RGBPixel[itk.UC] if in_colour else itk.F
    reader = itk.ImageFileReader[itk.Image[kind, 3]].New(FileName=str(path), ImageIO=io)
    reader.Update()
    return itk.array_from_image(reader.GetOutput())


def _in_range(pixels: FloatArray, tags: dict[str, str], path: Path) -> FloatArray:
    slope, intercept = _number(tags["slope"], 1.0), _number(tags["intercept"], 0.0)
    bits = int(_number(tags["bits_stored"], 16))
    is_signed = tags["signed"] == "1"
    inverted = tags["photometric"] == "MONOCHROME1"
    if inverted:
        # ITK has mirrored the stored values in their range, which window and padding are not stated for: mirror back
        top = -1 if is_signed else 2**bits - 1
        pixels = slope * top + 2 * intercept - pixels
    padding = _number(tags["padding"], math.nan) * slope + intercept
    outside = np.isclose(pixels, padding, rtol=0, atol=abs(slope) / 4)
    if tags["window_width"] and tags["window_center"]:
        grey = _windowed(pixels, tags, path)
    elif bits <= 8 and not is_signed:
        grey = (pixels - intercept) / slope / (2**bits - 1)
    else:
        grey = stretched(pixels, path, counted=~outside)
    grey = np.clip(grey, 0, 1)
    return np.where(outside, np.float32(0), 1 - grey if inverted else grey)


def stretched(pixels: FloatArray, path: str | Path, *, counted: npt.NDArray[np.bool_] | None = None) -> FloatArray:
    """Values of a scale that nobody states, from the lowest (0) to the highest (1).

    Args:
        pixels: [...].
        path: for messages.
        counted: [...], pixels that are not padding; None: all.

    Raises:
        InputError: there is one value alone.
    """
    values = pixels if counted is None else pixels[counted]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if high <= low:
        raise InputError(f"{path}: all pixels have the value {low:g}; expected a picture. Leave it out.")
    return (pixels - np.float32(low)) / np.float32(high - low)


def _windowed(pixels: FloatArray, tags: dict[str, str], path: Path) -> FloatArray:
    center = _number(tags["window_center"].split("\\")[0], math.nan)
    width = _number(tags["window_width"].split("\\")[0], math.nan)
    function = tags["window_function"] or "LINEAR"
    if not (math.isfinite(center) and width > (1 if function == "LINEAR" else 0)):
        raise InputError(
            f"{path}: the window is {tags['window_center']} with width {tags['window_width']}; expected finite "
            "numbers and a width above 1. Correct the tags or remove them."
        )
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(-4 * (pixels - center) / width)), dtype=np.float32)
    if function == "LINEAR":  # half a value off the middle, as the standard has it
        center, width = center - 0.5, width - 1
    return (pixels - np.float32(center)) / np.float32(width) + np.float32(0.5)


def _number(text: str, default: float) -> float:
    try:
        return float(text)
    except ValueError:
        return default
