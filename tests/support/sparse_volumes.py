"""Volumes in the sparse CSV files of OpenKBP."""

import numpy as np

SIDE = 128


def write_sparse_ct(folder, hu, spacing_mm, corner=(0, 0, 0)):
    """Write ct.csv and voxel_dimensions.csv from HU [columns, rows, slices], at this corner of the authors' grid."""
    write_sparse(folder / "ct.csv", hu.astype(float) + 1000, corner, values=True)
    column_mm, row_mm, slice_mm = spacing_mm
    np.savetxt(folder / "voxel_dimensions.csv", [row_mm, column_mm, slice_mm])


def write_sparse(path, voxels, corner=(0, 0, 0), values=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    found = np.argwhere(voxels > 0)
    x, y, z = (found + corner).T
    order = np.argsort(flat := (y * SIDE + x) * SIDE + z)
    numbers = [f"{voxels[tuple(place)]:.1f}" if values else "" for place in found[order]]
    lines = [f"{index},{number}" for index, number in zip(flat[order], numbers, strict=True)]
    path.write_text("\n".join([",data", *lines]) + "\n", encoding="utf-8")
