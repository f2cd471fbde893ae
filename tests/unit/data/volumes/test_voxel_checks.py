import numpy as np
import pytest

from meddino_components.data.volumes.voxel_checks import clean_image, clean_label
from meddino_components.errors import InputError


def test_few_non_finite_voxels_become_the_minimum():
    image = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    image[5, 5, 5:8] = [np.nan, np.inf, -np.inf]
    with pytest.warns(UserWarning, match=r"x\.nii: 3 NaN or infinite voxels .* 0"):
        cleaned = clean_image(image, "x.nii")
    np.testing.assert_array_equal(cleaned[5, 5, 5:8], 0)
    assert cleaned[5, 5, 4] == 554


@pytest.mark.parametrize("n_bad", [10, 1000])
def test_many_non_finite_voxels_are_refused(n_bad):
    image = np.arange(1000, dtype=np.float32)
    image[:n_bad] = np.nan
    with pytest.raises(InputError, match="of 1,000 voxels"):
        clean_image(image, "x.nii")


def test_constant_volume_is_refused():
    with pytest.raises(InputError, match="every voxel is 7"):
        clean_image(np.full((2, 2, 2), 7), "x.nii")


def test_labels():
    np.testing.assert_array_equal(clean_label(np.array([0.0, 1.0001, 2.99, 255]), "l"), [0, 1, 3, 255])
    assert clean_label(np.zeros((2, 2, 2), np.int64), "l").dtype == np.uint8  # an empty label is fine


@pytest.mark.parametrize(
    ("values", "message"), [([0, -1], "-1 to 0"), ([0, 256], "256"), ([0, 1.5], "0.500"), ([0, np.nan], "NaN")]
)
def test_bad_labels_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        clean_label(np.array(values), "l")
