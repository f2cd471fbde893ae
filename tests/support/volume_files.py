"""Small scans in files: NIfTI, and DICOM series written byte by byte."""

import locale
import struct

import itk
import nibabel as nib
import numpy as np

PATIENT = {
    "name": "Döe^Jane",
    "id": "MRN4711",
    "birth": "19700102",
    "date": "20200304",
    "description": "Abdomen of Jane",
}


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


SERIES_UID = "1.2.826.0.1.3680043.9.9999.3"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"


def write_dicom_series(
    folder,
    voxels,
    *,
    spacing_mm=(0.7, 0.9, 4.0),
    slope="1",
    intercept="0",
    tilt=0.0,
    skip=(),
    name="{:03d}.dcm",
    **tags,
):
    """A series of single slices from stored values [X, Y, Z] in DICOM's axes, with a patient in its header.

    Args:
        slope, intercept: rescale tags; None leaves them out.
        tilt: mm that each slice is shifted to posterior.
        skip: slices left out.
        name: of the files, by number.
        tags: others of `_instance`, the same for all slices or a list of one for each; ``extra`` is a tuple of further
            elements (group, number, kind, value).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(voxels.shape[2]):
        if k not in skip:
            own = {key: value[k] if isinstance(value, list) else value for key, value in tags.items()}
            content = _instance(voxels[:, :, k], k, spacing_mm, slope, intercept, tilt * k, **own)
            (folder / name.format(k)).write_bytes(content)
    return folder


def _instance(
    pixels,
    k,
    spacing_mm,
    slope,
    intercept,
    shift_mm,
    *,
    modality="CT",
    series_uid=SERIES_UID,
    sop_class=CT_CLASS,
    thickness=None,
    preamble=True,
    patient_id=PATIENT["id"],
    orientation="1\\0\\0\\0\\1\\0",
    samples=1,
    position=None,
    photometric=None,
    instance="",
    extra=(),
):
    uid = f"{series_uid}.1{instance}.{k + 1}"
    little_endian = "1.2.840.10008.1.2.1"
    meta = [(2, 2, "UI", sop_class), (2, 3, "UI", uid), (2, 0x10, "UI", little_endian), (2, 0x12, "UI", "1.2.3")]
    columns, rows = pixels.shape
    elements = [
        (8, 5, "CS", "ISO_IR 100"),
        (8, 0x16, "UI", sop_class),
        (8, 0x18, "UI", uid),
        (8, 0x20, "DA", PATIENT["date"]),
        (8, 0x21, "DA", PATIENT["date"]),
        (8, 0x60, "CS", modality),
        (8, 0x103E, "LO", PATIENT["description"]),
        (0x10, 0x10, "PN", PATIENT["name"].encode("latin-1")),
        (0x10, 0x20, "LO", patient_id),
        (0x10, 0x30, "DA", PATIENT["birth"]),
        *([(0x18, 0x50, "DS", str(thickness))] if thickness is not None else []),
        (0x20, 0x0D, "UI", "1.2.826.0.1.3680043.9.9999.2"),
        (0x20, 0x0E, "UI", series_uid),
        (0x20, 0x11, "IS", "4"),
        (0x20, 0x13, "IS", str(k + 1)),
        (0x20, 0x32, "DS", position or f"0\\{shift_mm:.3f}\\{k * spacing_mm[2]:.3f}"),
        (0x20, 0x37, "DS", orientation),
        (0x20, 0x52, "UI", "1.2.826.0.1.3680043.9.9999.5"),
        (0x28, 2, "US", samples),
        (0x28, 4, "CS", photometric or ("MONOCHROME2" if samples == 1 else "RGB")),
        (0x28, 0x10, "US", rows),
        (0x28, 0x11, "US", columns),
        (0x28, 0x30, "DS", f"{spacing_mm[1]}\\{spacing_mm[0]}"),
        (0x28, 0x100, "US", 16),
        (0x28, 0x101, "US", 16),
        (0x28, 0x102, "US", 15),
        (0x28, 0x103, "US", 1),
        *([(0x28, 0x1052, "DS", intercept), (0x28, 0x1053, "DS", slope)] if slope is not None else []),
        *extra,
        (0x7FE0, 0x10, "OW", np.ascontiguousarray(pixels.T, "<i2").tobytes() * samples),
    ]
    head = b"".join(_element(*element) for element in meta)
    start = bytes(128) + b"DICM" if preamble else b""
    return start + _element(2, 0, "UL", len(head)) + head + b"".join(_element(*e) for e in elements)


def compress_as_jpeg2000(source, folder):
    """The files of a DICOM series, losslessly compressed."""
    folder.mkdir(parents=True)
    before = locale.setlocale(locale.LC_ALL)
    kind, jpeg2000 = itk.Image[itk.SS, 3], itk.GDCMImageIOEnums.Compression_JPEG2000
    for path in sorted(source.iterdir()):
        io = itk.GDCMImageIO.New(FileName=str(path))
        reader = itk.ImageFileReader[kind].New(FileName=str(path), ImageIO=io)
        reader.Update()
        compressed = itk.GDCMImageIO.New(CompressionType=jpeg2000, KeepOriginalUID=True)
        compressed.SetMetaDataDictionary(io.GetMetaDataDictionary())
        writer = itk.ImageFileWriter[kind].New(reader, FileName=str(folder / path.name), ImageIO=compressed)
        writer.UseInputMetaDataDictionaryOff()
        writer.SetUseCompression(True)
        writer.Update()
    # GDCM's writer sets it to C, and this process would read files as ASCII from then on
    locale.setlocale(locale.LC_ALL, before)
    return folder


def write_report(path):
    """A structured report: DICOM without pixels."""
    report_class = "1.2.840.10008.5.1.4.1.1.88.11"
    meta = [(2, 2, "UI", report_class), (2, 3, "UI", "1.2.3.4"), (2, 0x10, "UI", "1.2.840.10008.1.2.1")]
    head = b"".join(_element(*element) for element in meta)
    body = _element(8, 0x16, "UI", report_class) + _element(8, 0x60, "CS", "SR") + _element(0x20, 0x0E, "UI", "1.2.9")
    path.write_bytes(bytes(128) + b"DICM" + _element(2, 0, "UL", len(head)) + head + body)
    return path


def _element(group, number, kind, value):
    if kind == "SQ":  # of one empty item
        return struct.pack("<HH2s", group, number, b"SQ") + struct.pack("<HIHHI", 0, 8, 0xFFFE, 0xE000, 0)
    if kind in ("US", "UL"):
        data = struct.pack("<H" if kind == "US" else "<I", value)
    else:
        data = value if isinstance(value, bytes) else value.encode()
        data += (b"\0" if kind in ("UI", "OW") else b" ") * (len(data) % 2)
    length = struct.pack("<HI", 0, len(data)) if kind == "OW" else struct.pack("<H", len(data))
    return struct.pack("<HH", group, number) + kind.encode() + length + data
