"""Read a DICOM file with one picture, such as a radiograph, as grey values or colours in 0..1.

Shapes: H rows, W columns, as stored; C channels.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.utils import optional_import

from ...errors import InputError
from ...project import extra
from ..volumes.file_checks import check_is_image_file

itk, _ = optional_import("itk")

FloatArray = npt.NDArray[np.float32]


def read_radiograph(path: str | Path) -> FloatArray:
    """Return the picture [C, H, W] of a DICOM file as a reader sees it, in 0..1; C is 1, or 3 for colours.

    Grey values run from dark to bright: MONOCHROME1 is inverted. The file's VOI LUT is applied, or else its first
    window, both by pydicom. Without either, the range is that of the bits stored up to 8 bits, else from the lowest to
    the highest value. Padding is 0 and does not count.

    Raises:
        InputError: pydicom is not installed, the file cannot be read, has several frames or a single value, or states
            a window or a table that cannot be applied.
    """
    path = Path(path)
    check_is_image_file(path)
    pydicom, found = optional_import("pydicom")
    if not found:
        raise InputError(f"{path}: pictures in DICOM need pydicom: {extra('benchmark')}")
    io = itk.GDCMImageIO.New(FileName=str(path))
    try:
        io.ReadImageInformation()
        in_colour = io.GetNumberOfComponents() == 3
        pixels = _read_pixels(io, path, in_colour)
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except (RuntimeError, EOFError, pydicom.errors.InvalidDicomError) as error:
        raise InputError(
            f"{path}: cannot be read as a DICOM picture: it is truncated, damaged or compressed in an unknown way. "
            "Copy or export it again."
        ) from error
    if len(pixels) != 1:
        raise InputError(f"{path}: holds {len(pixels)} frames; expected one picture. Export one frame.")
    if in_colour:
        return np.moveaxis(pixels[0], -1, 0).astype(np.float32) / 255
    return _in_range(pixels[0].astype(np.float32), header, path)[None]


def _read_pixels(io: Any, path: Path, in_colour: bool) -> npt.NDArray[Any]:
    if in_colour and io.GetComponentSize() != 1:
        raise InputError(f"{path}: colours of {8 * io.GetComponentSize()} bits; expected 8. Export it with 8 bits.")
    kind = itk.RGBPixel[itk.UC] if in_colour else itk.F
    reader = itk.ImageFileReader[itk.Image[kind, 3]].New(FileName=str(path), ImageIO=io)
    reader.Update()
    return itk.array_from_image(reader.GetOutput())


def _in_range(pixels: FloatArray, header: Any, path: Path) -> FloatArray:
    slope, intercept = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    bits, is_signed = int(header.get("BitsStored") or 16), header.get("PixelRepresentation") == 1
    inverted = header.get("PhotometricInterpretation") == "MONOCHROME1"
    if inverted:
        # ITK has mirrored the stored values in their range, which window and padding are not stated for: mirror back
        top = -1 if is_signed else 2**bits - 1
        pixels = slope * top + 2 * intercept - pixels
    padding = header.get("PixelPaddingValue")
    outside = np.isclose(
        pixels, math.nan if padding is None else padding * slope + intercept, rtol=0, atol=abs(slope) / 4
    )
    has_window = all(header.get(name) not in (None, "") for name in ("WindowWidth", "WindowCenter"))
    if header.get("VOILUTSequence") or has_window:
        grey = _as_shown(pixels, header, path)
    elif bits <= 8 and not is_signed:
        grey = (pixels - intercept) / slope / (2**bits - 1)
    else:
        grey = stretched(pixels, path, counted=~outside)
    grey = np.clip(grey, 0, 1)
    return np.where(outside, np.float32(0), 1 - grey if inverted else grey)


def _as_shown(pixels: FloatArray, header: Any, path: Path) -> FloatArray:
    """Apply the file's VOI LUT, or its first window."""
    from pydicom import Dataset
    from pydicom.pixels import apply_voi, apply_windowing

    try:
        if header.get("VOILUTSequence"):
            depth = header.VOILUTSequence[0].LUTDescriptor[2]
            return np.asarray(apply_voi(np.rint(pixels).astype(np.int32), header) / (2**depth - 1), dtype=np.float32)
        # eight bits without a scale of their own, so that the window is brought to 0..255
        window = Dataset()
        window.PhotometricInterpretation, window.BitsStored, window.PixelRepresentation = "MONOCHROME2", 8, 0
        for name in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
            if name in header:
                window[name] = header[name]
        grey = np.asarray(apply_windowing(pixels, window) / 255, dtype=np.float32)
    except (AttributeError, IndexError, NotImplementedError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: its VOI LUT or window cannot be applied ({error}). Correct the tags or remove them"
        ) from (error)
    if not np.isfinite(grey).all():
        raise InputError(
            f"{path}: the window is {header.WindowCenter} with width {header.WindowWidth}; expected finite "
            "numbers and a width of at least 1. Correct the tags or remove them"
        )
    return grey


def stretched(pixels: FloatArray, path: str | Path, *, counted: npt.NDArray[np.bool_] | None = None) -> FloatArray:
    """Scale values of an unknown range linearly, the lowest to 0 and the highest to 1.

    Args:
        pixels: values of any shape.
        path: path of the file, for messages.
        counted: mask of the same shape, True for pixels that are not padding; None for all.

    Raises:
        InputError: all values are equal.
    """
    values = pixels if counted is None else pixels[counted]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if high <= low:
        raise InputError(f"{path}: all pixels have the value {low:g}; expected a picture. Leave it out.")
    return (pixels - np.float32(low)) / np.float32(high - low)
