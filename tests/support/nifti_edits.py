"""NIfTI files whose headers are edited past nibabel's corrections."""

from pathlib import Path

import nibabel as nib
import numpy as np

from meddino_components.data import LoadVolumed

SPACING = (0.7, 0.9, 4.0)


RNG = np.random.default_rng(0)


VOXELS = RNG.integers(-1000, 1000, (9, 7, 5)).astype(np.int16)


def affine_of(spacing=SPACING, origin=(10.0, -20.0, 30.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return affine


def save(path: Path, voxels=VOXELS, affine=None, edit=None) -> Path:
    image = nib.Nifti1Image(voxels, affine_of() if affine is None else affine)
    image.set_qform(image.affine, 1)
    if edit:
        edit(image)
    nib.save(image, path)
    return path


def load(path, key="image"):
    return LoadVolumed(keys=(key,))({key: str(path)})[key]


def patch_header(path: Path, **fields) -> Path:
    """Write header fields as they are, past nibabel's corrections."""
    raw = path.read_bytes()
    header = nib.Nifti1Header(raw[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + raw[348:])
    return path
