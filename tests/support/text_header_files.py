"""NRRD and MetaImage files of one scan, written line by line."""

import numpy as np
from volume_files import ct_voxels

from meddino_components.data import LoadVolumed

VOXELS = ct_voxels(shape=(6, 5, 4))


RAW = np.ascontiguousarray(VOXELS.T).astype("<i2").tobytes()


NRRD = {
    "type": "short",
    "dimension": "3",
    "sizes": "6 5 4",
    "encoding": "raw",
    "endian": "little",
    "space": "left-posterior-superior",
    "space directions": "(0.7,0,0) (0,0.9,0) (0,0,4)",
}


META = {
    "ObjectType": "Image",
    "NDims": "3",
    "DimSize": "6 5 4",
    "ElementType": "MET_SHORT",
    "ElementSpacing": "0.7 0.9 4",
}


def nrrd(path, data=RAW, **fields):
    """An NRRD file."""
    lines = ["NRRD0004", *(f"{name}: {value}" for name, value in {**NRRD, **fields}.items() if value is not None)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join([*lines, "", ""]).encode() + data)
    return path


def meta(path, data=RAW, **fields):
    """A MetaImage file."""
    fields = {**META, "ElementDataFile": "LOCAL", **fields}
    lines = [f"{name} = {value}\n" for name, value in fields.items() if value is not None and name != "ElementDataFile"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join([*lines, f"ElementDataFile = {fields['ElementDataFile']}\n"]).encode() + data)
    return path


def load(path, **settings):
    return LoadVolumed("image", **settings)({"image": str(path)})["image"]


def check(path, spacing=(0.7, 0.9, 4), **settings):
    """The scan is read as it is."""
    volume = load(path, **settings)
    np.testing.assert_array_equal(volume.numpy()[0], VOXELS)
    np.testing.assert_allclose(
        volume.affine.numpy()[:3, :3], np.diag([-spacing[0], -spacing[1], spacing[2]]), atol=1e-9
    )


def detached(write, path, name):
    """A header that names the file of its voxels."""
    if write is nrrd:
        return nrrd(path.with_suffix(".nhdr"), b"", **{"data file": name})
    return meta(path.with_suffix(".mhd"), b"", ElementDataFile=name)
