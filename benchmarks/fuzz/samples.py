"""One small scan in each format, its files as bytes, and where the fields of its header are."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np

SHAPE = (24, 20, 5)
SPACING_MM = (0.7, 0.9, 4.0)


@dataclass(frozen=True, kw_only=True)
class Field:
    """A part of a header that a mutation changes: its name, and the bytes of its value."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A scan or a data list.

    Attributes:
        kind: of the format.
        files: name to content.
        target: the file whose header is mutated.
        opened: what the reader is given, a file or "" for the folder.
        fields: of the header.
        packed: the target is compressed after the mutation.
    """

    kind: str
    files: dict[str, bytes]
    target: str
    opened: str
    fields: list[Field]
    packed: Callable[[bytes], bytes] | None = None


def voxels() -> np.ndarray[Any, Any]:
    """HU [X, Y, Z], a cylinder of tissue in air."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE[:2]), indexing="ij")
    inside = (x**2 + y**2 < 0.7)[..., None]
    return np.where(inside, rng.normal(50, 90, SHAPE), rng.normal(-1000, 8, SHAPE)).round().astype(np.int16)


def affine() -> np.ndarray[Any, Any]:
    """Voxels to RAS mm, turned by 20 degrees."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]]
    grid = turn @ np.diag([*SPACING_MM, 1.0])
    grid[:3, 3] = [10, -20, 30]
    return grid


def samples(folder: Path) -> list[Sample]:
    """All of them, made by the libraries that commonly write them."""
    folder.mkdir(parents=True, exist_ok=True)
    return [*_nifti(folder), *_itk(folder), _dicom(), _data_list()]


def _nifti(folder: Path) -> list[Sample]:
    import gzip

    image = nib.Nifti1Image(voxels(), affine())
    image.set_qform(image.affine, 1)
    nib.save(image, folder / "a.nii")
    content = (folder / "a.nii").read_bytes()
    layout = nib.Nifti1Header.template_dtype.fields
    fields = [Field(name=name, start=at, end=at + kind.itemsize) for name, (kind, at, *_) in layout.items()]
    plain = Sample(kind="nii", files={"a.nii": content}, target="a.nii", opened="a.nii", fields=fields)
    return [
        plain,
        Sample(
            kind="nii.gz",
            files={"a.nii.gz": content},
            target="a.nii.gz",
            opened="a.nii.gz",
            fields=fields,
            packed=lambda raw: gzip.compress(raw, mtime=0),
        ),
    ]


def _itk(folder: Path) -> list[Sample]:
    image = itk.image_from_array(np.ascontiguousarray(voxels().T))
    grid = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine()
    image.SetSpacing(list(SPACING_MM))
    image.SetOrigin(grid[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(grid[:3, :3] / np.array(SPACING_MM)))
    found = []
    for name, data, compressed in (
        ("a.nrrd", None, False),
        ("c.nrrd", None, True),
        ("a.nhdr", "a.raw", False),
        ("a.mha", None, False),
        ("c.mha", None, True),
        ("a.mhd", "a.raw", False),
    ):
        place = folder / name.replace(".", "_")
        place.mkdir(exist_ok=True)
        itk.imwrite(image, str(place / name), compression=compressed)
        files = {path.name: path.read_bytes() for path in place.iterdir()}
        assert data is None or data in files
        kind = name.partition(".")[2] + (" compressed" if compressed else "")
        found.append(Sample(kind=kind, files=files, target=name, opened=name, fields=_lines(files[name])))
    return found


def _lines(content: bytes) -> list[Field]:
    """The values of ``name: value`` and ``name = value`` lines, up to the voxels."""
    end = re.search(rb"\n\n|ElementDataFile[^\n]*\n", content)
    text = content[: end.end()] if end else content
    return [
        Field(name=match[1].decode().strip(), start=match.start(2), end=match.end(2))
        for match in re.finditer(rb"(?m)^([^#:=\n]+?) ?[:=] ?([^\n]+)$", text)
    ]


_TAGS: list[tuple[int, int, str, Any]] = [
    (0x08, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2"),
    (0x08, 0x18, "UI", "1.2.3.{k}"),
    (0x08, 0x60, "CS", "CT"),
    (0x18, 0x50, "DS", "4"),
    (0x20, 0x0D, "UI", "1.2.4"),
    (0x20, 0x0E, "UI", "1.2.5"),
    (0x20, 0x13, "IS", "{k}"),
    (0x20, 0x32, "DS", "10\\-20\\{z}"),
    (0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"),
    (0x28, 0x02, "US", 1),
    (0x28, 0x04, "CS", "MONOCHROME2"),
    (0x28, 0x10, "US", SHAPE[1]),
    (0x28, 0x11, "US", SHAPE[0]),
    (0x28, 0x30, "DS", "0.9\\0.7"),
    (0x28, 0x0100, "US", 16),
    (0x28, 0x0101, "US", 16),
    (0x28, 0x0102, "US", 15),
    (0x28, 0x0103, "US", 1),
    (0x28, 0x1052, "DS", "0"),
    (0x28, 0x1053, "DS", "1"),
    (0x28, 0x1054, "LO", "HU"),
]


def _dicom() -> Sample:
    files, fields = {}, list[Field]()
    for k in range(SHAPE[2]):
        content, fields = _slice(k)
        files[f"{k}.dcm"] = content
    return Sample(kind="dicom", files=files, target=f"{SHAPE[2] - 1}.dcm", opened="", fields=fields)


def _slice(k: int) -> tuple[bytes, list[Field]]:
    meta = [
        (2, 2, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        (2, 3, "UI", f"1.2.3.{k}"),
        (2, 0x10, "UI", "1.2.840.10008.1.2.1"),
    ]
    head = b"".join(_element(*one) for one in meta)
    parts = [("preamble", bytes(128) + b"DICM"), ("0002,0000", _element(2, 0, "UL", len(head)))]
    parts += [(f"{one[0]:04x},{one[1]:04x}", _element(*one)) for one in meta]
    for group, number, kind, value in _TAGS:
        shown = value.format(k=k, z=4 * k) if isinstance(value, str) else value
        parts.append((f"{group:04x},{number:04x}", _element(group, number, kind, shown)))
    fields, at = list[Field](), 0
    for name, part in parts:
        fields.append(Field(name=name, start=at if name == "preamble" else at + 8, end=at + len(part)))
        at += len(part)
    pixels = np.ascontiguousarray(voxels()[:, :, k].T, "<i2").tobytes()
    last = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, len(pixels)) + pixels
    return b"".join(part for _, part in parts) + last, fields


def _element(group: int, number: int, kind: str, value: Any) -> bytes:
    data = struct.pack("<H" if kind == "US" else "<I", value) if kind in ("US", "UL") else str(value).encode()
    data += (b"\0" if kind == "UI" else b" ") * (len(data) % 2)
    return struct.pack("<HH", group, number) + kind.encode() + struct.pack("<H", len(data)) + data


def _data_list() -> Sample:
    names = [f"c{number}" for number in range(6)]
    content = {
        "name": "Task09_X",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver", "2": "tumour"},
        "numTraining": 6,
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names],
        "test": [],
    }
    text = json.dumps(content, indent=1).encode()
    files = {f"{place}/{name}.nii.gz": b"x" for place in ("imagesTr", "labelsTr") for name in names}
    fields, parents = list[Field](), [""]
    for line in re.finditer(rb"(?m)^ *(?:\"([^\"]+)\": )?(.*?),?$", text):
        name = (line[1] or b"").decode()
        if line[2].endswith((b"{", b"[")):
            parents.append(name or parents[-1])
        elif line[2].startswith((b"}", b"]")) and len(parents) > 1:
            parents.pop()
        else:
            fields.append(Field(name=f"{parents[-1]}.{name}", start=line.start(), end=line.end(2)))
    return Sample(
        kind="dataset.json", files={**files, "dataset.json": text}, target="dataset.json", opened="", fields=fields
    )
