"""Slice stores of known voxels."""

import numpy as np

from meddino_components.data.slice_store.store import SLICE_DTYPE, VolumeRecord
from meddino_components.data.slice_store.writer import content_sha256, encode_volume, write_index, write_volume


def random_slices(plane, n=5, seed=0):
    return np.random.default_rng(seed).integers(-1024, 3000, (n, *plane)).astype(np.int16)


def write_store(root, volumes, spacing_mm=(0.5, 0.7, 3.0)):
    """Volumes [D, H, W] int16 as CT cases ``case_0``, ``case_1``, ...; their first source slice was air."""
    records, parts = [], []
    for number, slices in enumerate(volumes):
        content, offsets, nbytes = encode_volume(slices)
        record = VolumeRecord(
            source_set="set é",
            case_id=f"case_{number}",
            file=f"images/case_{number}.nii.gz",
            modality="ct",
            shape=slices.shape,
            source_slices=len(slices) + 2,
            spacing_mm=spacing_mm,
            scale=1.0,
            offset=0.0,
            sha256=content_sha256(slices),
        )
        write_volume(root, record.data_file, content)
        rows = np.empty(len(slices), SLICE_DTYPE)
        rows["volume"], rows["slice"] = number, np.arange(len(slices)) + 1
        rows["offset"], rows["nbytes"] = offsets, nbytes
        records.append(record)
        parts.append(rows)
    write_index(root, records, np.concatenate(parts))
    return records
