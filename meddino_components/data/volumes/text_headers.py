"""Read what ITK ignores in the text of an NRRD or MetaImage header: spacing, and where the voxels are.

ITK assumes 1 mm if no spacing is stated, and opens any file that a header names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import InputError

Packing = Literal["none", "zlib", "gzip", "other"]

NRRD_SUFFIXES = (".nrrd", ".nhdr")
METAIMAGE_SUFFIXES = (".mha", ".mhd")

_HEADER_BYTES = 2**20  # longer texts are not headers
_MAX_DATA_FILES = 100_000
_NUMBERED = re.compile(
    r"(?P<name>[^%]*%0?\d{0,2}d[^%]*)\s+(?P<first>-?\d+)\s+(?P<last>-?\d+)\s+(?P<step>-?\d+)(\s\d+)?"
)
_MILLIMETRES = ("", "?", "mm", "millimeter", "millimeters", "millimetre", "millimetres")
_ANATOMICAL = ("lps", "ras", "las", "left-posterior-superior", "right-anterior-superior", "left-anterior-superior")


@dataclass(frozen=True, kw_only=True)
class TextHeader:
    """The facts read from the text.

    Attributes:
        spacing: stated spacing along the three axes; None if a number is missing, not finite or not positive.
        found: text from which the spacing was read, for messages.
        unit: unit of lengths, if it is not the millimetre.
        oriented: whether the header states the direction of the axes in the patient.
        data_files: files with the voxels; None if they follow the text.
        data_start: byte of the data file at which the voxels may start; None if the header changes it.
        packing: compression of the voxels.
        packed_bytes: size of the compressed voxels according to the header; None if it does not state it.
    """

    spacing: tuple[float, ...] | None
    found: str
    unit: str | None
    oriented: bool
    data_files: tuple[Path, ...] | None
    data_start: int | None
    packing: Packing
    packed_bytes: int | None = None


def read_nrrd_text(path: Path) -> TextHeader:
    """Read the text of an NRRD header.

    Raises:
        InputError: the file is not NRRD, a field occurs twice, or the data are outside the header's folder.
    """
    lines, length = _lines(path, ends_at=r"\r?\n\r?\n")
    if not lines or not re.fullmatch(r"NRRD\d{4}", lines[0].strip()):
        raise InputError(
            f"{path}: not an NRRD file (its first line is not an NRRD magic). Check what kind of file it is."
        )
    pairs = [line.split(":", 1) for line in lines[1:] if re.match(r"[^#:]+:(?!=)", line)]
    fields = _unique(
        [(name.strip().lower().replace("datafile", "data file"), value.strip()) for name, value in pairs], path
    )
    directions = re.findall(r"\([^)]*\)|none", fields.get("space directions", ""), re.IGNORECASE)
    steps = [math.hypot(*numbers) if (numbers := _floats(part.strip("()"))) else math.nan for part in directions]
    stated = steps or _floats(fields.get("spacings", ""))
    units = re.findall(r'"([^"]*)"', fields.get("space units" if steps else "units", ""))
    encoding = fields.get("encoding", "raw").lower()
    packing: Packing = "none" if encoding == "raw" else "gzip" if encoding in ("gz", "gzip") else "other"
    moved = any(fields.get(name, "0") != "0" for name in ("byte skip", "byteskip", "line skip", "lineskip"))
    data = fields.get("data file")
    listed = (
        lines[1 + max(i for i, line in enumerate(lines[1:]) if line.lower().startswith("data")) + 1 :] if data else []
    )
    return TextHeader(
        spacing=_positive(stated),
        found=f"space directions: {fields['space directions']}"
        if steps
        else f"spacings: {fields.get('spacings', 'none')}",
        unit=next((unit for unit in units if unit.lower() not in _MILLIMETRES), None),
        oriented=bool(steps) and fields.get("space", "").lower() in _ANATOMICAL,
        data_files=_data_files(path, data, listed) if data is not None else None,
        data_start=None if moved else 0 if data is not None else length,
        packing=packing,
    )


def read_metaimage_text(path: Path) -> TextHeader:
    """Read the text of a MetaImage header.

    Raises:
        InputError: there is no ElementDataFile, a field occurs twice, or the data are outside the header's folder.
    """
    lines, length = _lines(path, ends_at=r"ElementDataFile[^\n]*\n?")
    pairs = [re.split("[=:]", line, maxsplit=1) for line in lines]
    fields = _unique([(pair[0].strip(), pair[1].strip()) for pair in pairs if len(pair) == 2], path)
    data = fields.get("ElementDataFile")
    if not data:
        raise InputError(f"{path}: not a MetaImage header (no ElementDataFile). Check what kind of file it is.")
    name = "ElementSpacing" if "ElementSpacing" in fields else "ElementSize"
    compressed, binary = (fields.get(key, "").lower()[:1] for key in ("CompressedData", "BinaryData"))
    packing: Packing = "zlib" if compressed in ("t", "1") else "other" if binary in ("f", "0") else "none"
    packed, unit = fields.get("CompressedDataSize", ""), fields.get("DistanceUnits", "")
    local = data.lower() == "local"
    listed = lines[1 + max(i for i, line in enumerate(lines) if line.strip().startswith("ElementDataFile")) :]
    if not local and data.split()[0] == "LIST":
        listed = _rest(path, length)
    return TextHeader(
        spacing=_positive(_floats(fields.get(name, ""))),
        found=f"{name}: {fields.get(name, 'none')}",
        unit=None if unit.lower() in _MILLIMETRES else unit,
        oriented=True,
        data_files=None if local else _data_files(path, data, listed),
        data_start=None if fields.get("HeaderSize", "0") != "0" else length if local else 0,
        packing=packing,
        packed_bytes=int(packed) if packed.isascii() and packed.isdigit() and len(packed) < 20 else None,
    )


def detached_files(path: Path) -> list[Path]:
    """Return the voxel files named in an NRRD or MetaImage header; none if it is unreadable or of another kind."""
    suffix = path.suffix.lower()
    if suffix not in (*NRRD_SUFFIXES, *METAIMAGE_SUFFIXES):
        return []
    try:
        text = (read_nrrd_text if suffix in NRRD_SUFFIXES else read_metaimage_text)(path)
    except (InputError, OSError):
        return []  # reading the case will report why
    return list(text.data_files or ())


def _lines(path: Path, *, ends_at: str) -> tuple[list[str], int]:
    """Return the lines of the text at the beginning of a file, and its length in bytes."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    end = re.search(ends_at.encode(), head)
    text = head[: end.end()] if end else head
    return text.decode("utf-8", errors="replace").rstrip("\r\n").splitlines(), len(text)


def _rest(path: Path, start: int) -> list[str]:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(_HEADER_BYTES).decode("utf-8", errors="replace").splitlines()


def _unique(pairs: Iterable[tuple[str, str]], path: Path) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise InputError(f"{path}: the header has the field '{name}' twice. Remove one of them.")
        fields[name] = value
    return fields


def _floats(text: str) -> list[float]:
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        return []


def _positive(stated: list[float]) -> tuple[float, ...] | None:
    good = len(stated) >= 1 and all(math.isfinite(number) and number > 0 for number in stated)
    return tuple(stated) if good else None


def _data_files(path: Path, value: str, listed: list[str]) -> tuple[Path, ...]:
    """Return the files that a header names: one, several on the next lines, or numbered ones, never outside its folder.

    Raises:
        InputError: a file is outside that folder, does not exist, or is not a file.
    """
    if value.split()[:1] == ["LIST"]:
        names = [line.strip() for line in listed if line.strip()]
    elif numbered := _NUMBERED.fullmatch(value):
        first, last, step = (int(numbered[key]) for key in ("first", "last", "step"))
        numbers = range(first, last + (1 if step > 0 else -1), step) if step else range(0)
        names = [numbered["name"].strip() % number for number in numbers[:_MAX_DATA_FILES]]
    else:
        names = [value]
    if not names:
        raise InputError(f"{path}: the header names no data file ('{value}'). Export the image again.")
    return tuple(_inside(path, name) for name in names)


def _inside(path: Path, name: str) -> Path:
    # the data of a linked header may be next to the link or next to its target
    roots = {path.parent.resolve(), path.resolve().parent}
    data = (path.parent / name).resolve()
    if not any(data.is_relative_to(root) for root in roots):
        raise InputError(
            f"{path}: the header names '{name}' for its voxels, which is outside the header's folder; expected a file "
            f"in it or below. Put the data next to the header and correct the name."
        )
    if not data.is_file():
        raise InputError(f"{path}: the header names '{name}' for its voxels, which does not exist. Copy both files.")
    return data
