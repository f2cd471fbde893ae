"""Small pictures and volumes to encode."""

import numpy as np
import pytest
from image_selections import selection
from PIL import Image
from volume_files import ct_voxels, save_nifti


@pytest.fixture
def pictures(tmp_path):
    """Seven pictures of different forms, grey and in colours."""
    rng = np.random.default_rng(0)
    paths = []
    for k in range(7):
        size = (10 + k, 20 - k) + ((3,) if k % 2 else ())
        paths.append(tmp_path / f"{k}.png")
        Image.fromarray(rng.integers(0, 255, size, np.uint8)).save(paths[-1])
    return selection(paths)


@pytest.fixture
def volumes(tmp_path):
    paths = [save_nifti(tmp_path / f"{k}.nii.gz", ct_voxels(k, (24, 20, 3 + 2 * k))) for k in range(3)]
    return selection(paths, modality="ct", dimensions=3)
