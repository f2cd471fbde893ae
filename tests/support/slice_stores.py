"""Slice stores of known voxels."""

import numpy as np

from meddino_components.data.slice_store.writer import store_volume, write_index


def random_slices(plane, n=5, seed=0):
    return np.random.default_rng(seed).integers(-1024, 3000, (n, *plane)).astype(np.int16)


def write_store(root, volumes, spacing_mm=(0.5, 0.7, 3.0)):
    """Volumes [D, H, W] int16 as CT cases ``case_0``, ``case_1``, ...; their first source slice was air."""
    stored = [
        store_volume(
            root,
            slices,
            numbers=np.arange(len(slices)) + 1,
            source_set="set é",
            case_id=f"case_{number}",
            file=f"images/case_{number}.nii.gz",
            modality="ct",
            source_slices=len(slices) + 2,
            spacing_mm=spacing_mm,
        )
        for number, slices in enumerate(volumes)
    ]
    write_index(root, stored)


def in_order(volumes):
    """Slices as the store numbers them."""
    return [pixels for slices in volumes for pixels in slices]
