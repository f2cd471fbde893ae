"""Which orientation slices have."""

import numpy as np
import pytest
from nibabel.orientations import aff2axcodes, axcodes2ornt, inv_ornt_aff, ornt_transform

from meddino_components.slice_planes import SLICE_PLANES, opposite, patient_spacing, plane_of_spacing, stored_axes


@pytest.mark.parametrize("stored", ["RAS", "LPS", "PIR", "SLA", "AIL"])
@pytest.mark.parametrize("axcodes", SLICE_PLANES)
def test_stored_axes_and_spacing(stored, axcodes):
    shape = (4, 5, 6)
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(stored))
    affine = np.diag([3.0, 1.0, 2.0, 1.0]) @ inv_ornt_aff(change, shape)
    assert "".join(aff2axcodes(affine)) == stored
    found = [stored[axis] for axis in stored_axes(affine, axcodes)]
    assert all(letter in (wanted, opposite(wanted)) for letter, wanted in zip(found, axcodes, strict=True))
    np.testing.assert_allclose(patient_spacing(affine), [3.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("spacing_mm", "plane"),
    [
        ((4, 1, 1), "sagittal"),
        ((1, 4, 1), "coronal"),
        ((1, 1, 4), "axial"),
        ((1.2, 1, 1), "sagittal"),
        ((1.19, 1, 1), "axial"),
        ((5, 5, 3), "axial"),
        ((5, 3, 5), "axial"),
    ],
)
def test_another_axis_has_to_be_clearly_the_coarsest(spacing_mm, plane):
    assert SLICE_PLANES[plane_of_spacing(spacing_mm)] == plane
