"""Small pictures in files, and samples of them."""

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from meddino_components.data.image_sets import Sample


def save_picture(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path)
    return path


def save_grey(path, value=7):
    return save_picture(path, np.full((4, 3), value, np.uint8))


def save_radiograph(path, pixels, *, bits_stored, photometric="MONOCHROME2", signed=False, **tags):
    """A DICOM file of pixels [H, W] or [H, W, 3], with further tags by their keyword."""
    pixels = np.ascontiguousarray(pixels)
    uid, radiography = "1.2.826.0.1.3680043.9.9999.8", "1.2.840.10008.5.1.4.1.1.1"
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = radiography, uid
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = radiography, uid, "CR"
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = photometric
    data.BitsAllocated, data.BitsStored, data.HighBit = pixels.dtype.itemsize * 8, bits_stored, bits_stored - 1
    data.PixelRepresentation = int(signed)
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def sample_of(path, index=None, split="train"):
    return Sample(sample_id="s", image=str(path), index=index, patient="p", split=split, labels=(0,))


def write_csv(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
