"""Slices and cuts lie on the page as a radiologist sees them, in any orientation of the array."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform

from meddino_components.pictures.page_view import PageView, axcodes_of

# a volume of the patient in RAS, of which each voxel says where it lies
RAS = np.arange(4 * 5 * 6).reshape(4, 5, 6)
# as drawn: the first row is the patient's front or top, the first column the right or the front
DRAWN = {
    "axial": lambda k: RAS[::-1, ::-1, k].T,
    "coronal": lambda k: RAS[::-1, k, ::-1].T,
    "sagittal": lambda k: RAS[k, ::-1, ::-1].T,
}
N_SLICES = {"axial": 6, "coronal": 5, "sagittal": 4}


def is_drawn(page, plane):
    return any(np.array_equal(page, DRAWN[plane](k)) for k in range(N_SLICES[plane]))


def as_in(axcodes):
    return apply_orientation(RAS, ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(axcodes)))


@pytest.mark.parametrize(
    ("axcodes", "plane", "sides", "cut_name", "cut_sides"),
    [
        ("PLS", "axial", ("R", "L"), "coronal", ("R", "L")),
        ("ILP", "coronal", ("R", "L"), "axial", ("R", "L")),
        ("IPL", "sagittal", ("A", "P"), "axial", ("R", "L")),
    ],
)
def test_slices_and_the_cut_across_them(axcodes, plane, sides, cut_name, cut_sides):
    volume, view = as_in(axcodes), PageView(axcodes)
    assert (view.slice_name, view.sides) == (plane, sides)
    assert (view.cut_name, view.cut_sides) == (cut_name, cut_sides)
    assert is_drawn(volume[:, :, 1], plane)
    cut = view.cut(volume, 1, slice(None))
    assert is_drawn(cut, cut_name)
    down, right = view.cut_pair(volume.shape[2], volume.shape[1])
    assert cut.shape == (down, right)


@pytest.mark.parametrize("axcodes", ["RAS", "SRA", "ASR", "LIA"])
def test_of_other_orientations_the_cut_is_drawn_alike(axcodes):
    view = PageView(axcodes)
    assert is_drawn(view.cut(as_in(axcodes), 1, slice(None)), view.cut_name)


def test_axcodes_of_a_grid():
    turned = nib.orientations.inv_ornt_aff(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt("IPL")), RAS.shape)
    assert axcodes_of(turned) == "IPL"
