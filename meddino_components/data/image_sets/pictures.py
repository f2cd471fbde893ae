"""Read one picture of an image set, from any kind of file, as numbers in 0..1.

Shapes: H rows, W columns, D slices; C channels, 1 for grey and 3 for colours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...project import extra
from ..volumes.dicom import is_dicom_file
from ..volumes.file_checks import check_is_image_file
from ..volumes.itk_header import last_line
from .image_set import Sample
from .packed_arrays import packed_array
from .radiographs import read_radiograph, stretched

FloatArray = npt.NDArray[np.float32]

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")


def load_picture(sample: Sample) -> FloatArray:
    """The picture [C, H, W] of a sample, float32 in 0..1; of MedMNIST's 3D sets the volume [1, H, W, D].

    Source: with an ``index``, the array ``{split}_images`` of an .npz file, [N, H, W], [N, H, W, 3] or
    [N, D, H, W]; else a DICOM file (`read_radiograph`), or a PNG, JPEG, BMP or TIFF. An array of an .npz stays mapped
    or unpacked for the next call of this process: load one picture before forking workers, so that they share it.

    Values of 8 bits are divided by 255. For 16 bits, nothing states how many are used: the lowest value of the picture
    becomes 0 and the highest 1. Palettes become colours; photographs are turned as their EXIF tag says.
    C is the number of channels in the file: a grey picture stored in colours has 3.

    Raises:
        InputError: the file is missing, truncated, damaged, of another kind, transparent in part, or has several
            pages; or the index does not exist. The caller may count the error and continue.
    """
    path = Path(sample.image)
    if sample.index is not None:
        return _from_array(path, sample.split, sample.index)
    if path.is_file() and is_dicom_file(path):
        return read_radiograph(path)
    return read_picture_file(path)


def _from_array(path: Path, split: str, index: int) -> FloatArray:
    images = packed_array(path, f"{split}_images")
    if not 0 <= index < len(images):
        raise InputError(
            f"{path}: no image {index} in '{split}_images', which contains {len(images)}. Read the set again."
        )
    pixels = np.asarray(images[index])
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: '{split}_images' holds {pixels.dtype}; expected 8 or 16 bits without sign.")
    if pixels.ndim == 3:
        # colours come last; of a volume the first axis, along which MedMNIST lays its frames, becomes the last
        pixels = np.moveaxis(pixels, -1, 0) if pixels.shape[-1] == 3 else np.moveaxis(pixels, 0, -1)[None]
    else:
        pixels = pixels[None]
    return _scaled(pixels, path)


def read_picture_file(path: Path) -> FloatArray:
    """A PNG, JPEG, BMP or TIFF as `load_picture` gives it."""
    check_is_image_file(path)
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise InputError(f"reading pictures needs Pillow: {extra('benchmark')}") from error
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            if (pages := getattr(opened, "n_frames", 1)) > 1:
                raise InputError(f"{path}: holds {pages} pictures; expected one. Split it into files.")
            picture = ImageOps.exif_transpose(opened)
            pixels = _pixels_of(picture, path)
    except InputError:
        raise
    # Pillow's decoders raise errors of any kind
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read as a picture ({last_line(error)}). Expected PNG, JPEG, BMP, TIFF or DICOM; if it "
            "is one, it is truncated or damaged: copy or download it again."
        ) from error
    return _scaled(pixels, path)


def _pixels_of(picture: Any, path: Path) -> npt.NDArray[Any]:
    """[C, H, W] of a Pillow picture, uint8 or uint16."""
    if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    pixels = np.asarray(picture)
    if picture.mode in ("RGBA", "LA"):
        if pixels[..., -1].min() < 255:
            raise InputError(f"{path}: is transparent in part; expected an opaque picture. Flatten it.")
        pixels = pixels[..., :-1]
    if pixels.dtype == np.int32 and pixels.min() >= 0 and pixels.max() < 2**16:  # how Pillow reads some 16 bits
        pixels = pixels.astype(np.uint16)
    if pixels.dtype not in (np.uint8, np.uint16, ">u2"):
        raise InputError(f"{path}: pixels of kind {picture.mode}; expected 8 or 16 bits without sign.")
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _scaled(pixels: npt.NDArray[Any], path: Path) -> FloatArray:
    values = np.ascontiguousarray(pixels, dtype=np.float32)
    return values / np.float32(255) if pixels.dtype == np.uint8 else stretched(values, path)
