"""Small scans in files: NIfTI, and DICOM series written byte by byte."""

import struct

import nibabel as nib
import numpy as np

PATIENT = {"name": "Doe^Jane", "id": "MRN4711", "birth": "19700102", "date": "20200304"}


def ct_voxels(seed=0, shape=(24, 20, 5)):
    """HU [X, Y, Z]: a cylinder of tissue in air."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:2]), indexing="ij")
    inside = (x**2 + y**2 < 0.7)[..., None]
    return np.where(inside, rng.normal(50, 90, shape), rng.normal(-1000, 8, shape)).round().astype(np.int16)


def save_nifti(path, voxels, spacing_mm=(0.7, 0.9, 4.0), descrip=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, np.diag([*spacing_mm, 1.0]))
    image.header["descrip"] = descrip
    nib.save(image, path)
    return path


def write_dicom_series(folder, voxels, *, spacing_mm=(0.7, 0.9, 4.0), slope="1", intercept="0", tilt=0.0, skip=()):
    """A series of single CT slices from HU [X, Y, Z] in DICOM's axes, with a patient in its header.

    Args:
        slope, intercept: rescale tags; None leaves them out.
        tilt: mm that each slice is shifted to posterior.
        skip: slices left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(voxels.shape[2]):
        if k not in skip:
            (folder / f"{k:03d}.dcm").write_bytes(_instance(voxels[:, :, k], k, spacing_mm, slope, intercept, tilt * k))
    return folder


def _instance(pixels, k, spacing_mm, slope, intercept, shift_mm):
    uid = f"1.2.826.0.1.3680043.9.9999.1.{k + 1}"
    ct_class, little_endian = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
    meta = [(2, 2, "UI", ct_class), (2, 3, "UI", uid), (2, 0x10, "UI", little_endian), (2, 0x12, "UI", "1.2.3")]
    columns, rows = pixels.shape
    elements = [
        (8, 0x16, "UI", ct_class),
        (8, 0x18, "UI", uid),
        (8, 0x20, "DA", PATIENT["date"]),
        (8, 0x21, "DA", PATIENT["date"]),
        (8, 0x60, "CS", "CT"),
        (0x10, 0x10, "PN", PATIENT["name"]),
        (0x10, 0x20, "LO", PATIENT["id"]),
        (0x10, 0x30, "DA", PATIENT["birth"]),
        (0x20, 0x0D, "UI", "1.2.826.0.1.3680043.9.9999.2"),
        (0x20, 0x0E, "UI", "1.2.826.0.1.3680043.9.9999.3"),
        (0x20, 0x13, "IS", str(k + 1)),
        (0x20, 0x32, "DS", f"0\\{shift_mm:.3f}\\{k * spacing_mm[2]:.3f}"),
        (0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"),
        (0x28, 2, "US", 1),
        (0x28, 4, "CS", "MONOCHROME2"),
        (0x28, 0x10, "US", rows),
        (0x28, 0x11, "US", columns),
        (0x28, 0x30, "DS", f"{spacing_mm[1]}\\{spacing_mm[0]}"),
        (0x28, 0x100, "US", 16),
        (0x28, 0x101, "US", 16),
        (0x28, 0x102, "US", 15),
        (0x28, 0x103, "US", 1),
        *([(0x28, 0x1052, "DS", intercept), (0x28, 0x1053, "DS", slope)] if slope is not None else []),
        (0x7FE0, 0x10, "OW", np.ascontiguousarray(pixels.T, "<i2").tobytes()),
    ]
    head = b"".join(_element(*element) for element in meta)
    return bytes(128) + b"DICM" + _element(2, 0, "UL", len(head)) + head + b"".join(_element(*e) for e in elements)


def _element(group, number, kind, value):
    if kind in ("US", "UL"):
        data = struct.pack("<H" if kind == "US" else "<I", value)
    else:
        data = value if isinstance(value, bytes) else value.encode()
        data += (b"\0" if kind in ("UI", "OW") else b" ") * (len(data) % 2)
    length = struct.pack("<HI", 0, len(data)) if kind == "OW" else struct.pack("<H", len(data))
    return struct.pack("<HH", group, number) + kind.encode() + length + data
