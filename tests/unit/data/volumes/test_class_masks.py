"""A mask for each class becomes one label map; masks that do not fit are refused."""

import numpy as np
import pytest
from volume_files import save_nifti

from meddino_components.data.volumes.class_masks import read_class_masks
from meddino_components.errors import InputError

SHAPE = (6, 5, 4)


def mask(path, *places, value=1, shape=SHAPE, **settings):
    voxels = np.zeros(shape, np.uint8)
    for place in places:
        voxels[place] = value
    return save_nifti(path, voxels, **settings)


def test_labels_by_number_and_the_highest_where_masks_overlap(tmp_path):
    masks = {
        117: mask(tmp_path / "cyst.nii.gz", (1, 1, 1), value=255),
        2: mask(tmp_path / "kidney.nii.gz", (1, 1, 1), (2, 2, 2)),
        5: mask(tmp_path / "liver.nii.gz"),
    }
    labels, affine, n_shared = read_class_masks(masks)
    assert (labels.dtype, labels.shape, n_shared) == (np.uint8, SHAPE, 1)
    assert {tuple(map(int, place)): int(labels[tuple(place)]) for place in np.argwhere(labels)} == {
        (1, 1, 1): 117,
        (2, 2, 2): 2,
    }
    assert np.diag(affine).tolist() == pytest.approx([0.7, 0.9, 4.0, 1.0])


def test_masks_that_do_not_fit(tmp_path):
    good = mask(tmp_path / "good.nii.gz", (0, 0, 0))
    with pytest.raises(InputError, match="has no mask of a class"):
        read_class_masks({})
    with pytest.raises(InputError, match=r"lost\.nii\.gz: no such file"):
        read_class_masks({1: good, 2: tmp_path / "lost.nii.gz"})
    other = mask(tmp_path / "other.nii.gz", shape=(6, 5, 3))
    with pytest.raises(InputError, match=r"other\.nii\.gz: its grid \(shape .*6.*5.*3.* is not that of .*good\.nii"):
        read_class_masks({1: good, 2: other})
    moved = mask(tmp_path / "moved.nii.gz", spacing_mm=(0.7, 0.9, 5.0))
    with pytest.raises(InputError, match=r"moved\.nii\.gz: its grid .* expected the same grid for all masks of a case"):
        read_class_masks({1: good, 2: moved})
    several = save_nifti(tmp_path / "map.nii.gz", np.arange(120, dtype=np.uint8).reshape(SHAPE) % 3)
    with pytest.raises(InputError, match=r"map\.nii\.gz: contains 1 and 2; expected a binary mask"):
        read_class_masks({1: several})
