"""Recognise DICOM files, and read the few tags that describe their grid and pixels; no patient data is read."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from monai.utils import optional_import

from ....errors import InputError

itk, _ = optional_import("itk")

FloatArray = npt.NDArray[np.float64]

_TAGS = {
    "sop_class": "0008|0016",
    "series_uid": "0020|000e",
    "modality": "0008|0060",
    "position": "0020|0032",
    "orientation": "0020|0037",
    "pixel_spacing": "0028|0030",
    "thickness": "0018|0050",
    "slope": "0028|1053",
    "intercept": "0028|1052",
    "samples": "0028|0002",
    "frames": "0028|0008",
    "rows": "0028|0010",
    "columns": "0028|0011",
    "bits": "0028|0100",
    "bits_stored": "0028|0101",
    "high_bit": "0028|0102",
    "signed": "0028|0103",
    "photometric": "0028|0004",
    "lut_shape": "2050|0020",
    "rescale_type": "0028|1054",
}
_OTHER_FORMATS = (".json", ".txt", ".csv", ".png", ".jpg", ".jpeg", ".xml", ".html", ".pdf", ".zip", ".gz", ".npy")
_HEAD_BYTES = 1024
_TAG_BYTES = 2**16  # bytes searched for tags that ITK does not return
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_TRANSFER_SYNTAX = re.compile(rb"\x02\x00\x10\x00UI..([0-9.]+)", re.DOTALL)
# a tag, its type and length (implicit: its length), and the first item
_MODALITY_LUT = re.compile(rb"\x28\x00\x00\x30(?:SQ\x00\x00)?.{4}\xfe\xff\x00\xe0", re.DOTALL)
_SERIES_UID = re.compile(rb"\x20\x00\x0e\x00.{4}([0-9.]{1,64})", re.DOTALL)
_INSTANCE_UID = re.compile(rb"\x08\x00\x18\x00.{4}([0-9.]{1,64})", re.DOTALL)
_SOP_CLASS = re.compile(rb"\x02\x00\x02\x00UI..([0-9.]+)", re.DOTALL)  # file meta is explicit little endian, always
# directories, reports, presentation states, waveforms, registrations, fiducials, RT plans, encapsulated documents:
# objects among the slices of an export that have no pixels
_WITHOUT_PIXELS = re.compile(
    rb"1\.2\.840\.10008\.(1\.3\.10|5\.1\.4\.1\.1\.(11|9|66|66\.[1-3]|67|88|104|481\.[3-9])(\.|$))"
)


@dataclass(frozen=True, kw_only=True)
class SliceHeader:
    """A file with pixels, and its tags as text; a missing tag is an empty string.

    Attributes:
        path: path of the file.
        tags: values by the names used here, such as "position"; "modality_lut" is "yes" if there is such a sequence.
    """

    path: Path
    tags: dict[str, str]

    def number(self, tag: str, default: int) -> int:
        """Return the value of a tag that is one integer, or ``default``."""
        return int(self.tags[tag]) if self.tags[tag].isdigit() else default

    def floats(self, tag: str, count: int) -> FloatArray | None:
        """Return the numbers [count] of a tag; None if they are missing, not numbers, or not finite."""
        try:
            values = [float(text) for text in self.tags[tag].split("\\")]
        except ValueError:
            return None
        return np.array(values) if len(values) == count and all(map(math.isfinite, values)) else None


def is_dicom_file(path: Path) -> bool:
    """Return whether a file is DICOM by its preamble, its suffix ``.dcm`` or, without either, by GDCM.

    A DICOMDIR does not count: it lists files and contains no slice.
    """
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return False
    suffix = path.suffix.lower()
    if suffix == ".dcm":
        return True
    if suffix in _OTHER_FORMATS or not path.is_file():
        return False
    if _head(path)[128:132] == b"DICM":
        return True
    # GDCM accepts many files that are not DICOM: ask it only if no suffix tells the format
    return suffix in ("", ".ima", ".img", ".dicom") and bool(itk.GDCMImageIO.New().CanReadFile(str(path)))


def read_slice_header(path: Path) -> SliceHeader | None:
    """Return the tags of a file; None for an object without pixels (a report, a presentation state).

    Raises:
        InputError: the file is empty, truncated, or compressed in a way that GDCM does not know.
    """
    io = itk.GDCMImageIO.New()
    io.SetFileName(str(path))
    try:
        io.ReadImageInformation()
    except RuntimeError:  # its message gives no reason
        found = _SOP_CLASS.search(_head(path))
        if found and _WITHOUT_PIXELS.match(found.group(1)):
            return None
        raise InputError(
            f"{path}: cannot be read as a DICOM image: it is empty, truncated or compressed in an unknown way. Copy "
            "or export it again; the volume would lack a slice without it."
        ) from None
    meta = io.GetMetaDataDictionary()
    tags = {name: str(meta[tag]).strip(" \0") if meta.HasKey(tag) else "" for name, tag in _TAGS.items()}
    head = _head(path, _TAG_BYTES).partition(_PIXEL_DATA)[0]
    syntax = _TRANSFER_SYNTAX.search(head)
    tags["transfer_syntax"] = syntax.group(1).decode() if syntax else ""
    tags["modality_lut"] = "yes" if _MODALITY_LUT.search(head) else ""
    return SliceHeader(path=path, tags=tags)


def read_uids(path: Path) -> tuple[str, str]:
    """Return SeriesInstanceUID and SOPInstanceUID of a DICOM file, if possible without reading its whole header.

    They are empty for a file that cannot be read; reading the series raises the reason.
    """
    head = _head(path, _TAG_BYTES).partition(_PIXEL_DATA)[0]
    series, instance = set(_SERIES_UID.findall(head)), _INSTANCE_UID.search(head)
    own = instance.group(1).decode() if instance else ""
    if len(series) == 1:  # there are several if the file refers to another series
        return series.pop().decode(), own
    try:
        header = read_slice_header(path)
    except InputError:
        return "", own
    return (header.tags["series_uid"] if header else ""), own


def _head(path: Path, n_bytes: int = _HEAD_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(n_bytes)
    except OSError:
        return b""
