"""Slices are the right way up, and points are where the user says."""

import nibabel as nib
import numpy as np
import pytest
from planted_scans import write_scan
from volume_files import write_dicom_series

from meddino_components.errors import InputError
from meddino_components.figures import read_scan

# right, anterior, superior: as stored by some scanners, from left to right and from front to back
FLIPPED = np.array([[-2.0, 0, 0, 126], [0, -2, 0, 94], [0, 0, 5, 0], [0, 0, 0, 1]])


def test_liver_is_on_the_left_and_spine_below(tmp_path):
    scan = read_scan(write_scan(tmp_path / "a.nii.gz"), modality="ct")
    assert scan.name == "a"
    image = scan.slice(2).image
    assert image.shape == (48, 64)
    rows, columns = np.nonzero(image == 200)
    assert columns.max() < 32  # the patient's right is on the left
    rows, columns = np.nonzero(image == 600)
    assert rows.min() > 24  # posterior is below


@pytest.mark.parametrize("affine", [None, FLIPPED])
def test_a_voxel_of_the_file_is_found_in_the_slice(tmp_path, affine):
    path = write_scan(tmp_path / "a.nii.gz", affine=affine)
    voxels = np.asarray(nib.load(path).dataobj).copy()
    voxels[40, 20, 3] = 1234
    nib.save(nib.Nifti1Image(voxels, nib.load(path).affine), path)
    scan = read_scan(path, modality="ct")
    place = scan.place([40, 20, 3])
    assert scan.slice(place.index).image[round(place.row), round(place.column)] == 1234
    in_mm = nib.load(path).affine @ [40, 20, 3, 1]
    again = scan.place([float(v) for v in in_mm[:3]], "mm")
    assert (again.index, again.row, again.column) == pytest.approx((place.index, place.row, place.column))


def test_points_that_are_none(tmp_path):
    scan = read_scan(write_scan(tmp_path / "a.nii.gz"), modality="ct")
    with pytest.raises(InputError, match=r"a: point \[64, 3, 2\] in voxel lies outside the scan, .*0 to 63, 0 to 47"):
        scan.place([64, 3, 2])
    with pytest.raises(InputError, match="LPS flips the first two"):
        scan.place([-80.0, 3, 2], "mm")
    for wrong in ([1, 2], [1, 2, "x"], "1;2"):
        with pytest.raises(InputError, match="expected three numbers"):
            scan.place(wrong)
    with pytest.raises(InputError, match="'voxel' or 'mm'"):
        scan.place([1, 2, 3], "cm")


def test_slices_that_are_not_there(tmp_path):
    scan = read_scan(write_scan(tmp_path / "a.nii.gz"), modality="ct")
    with pytest.raises(InputError, match=r"no slice 5\. Choose an index from 0 \(the lowest slice\) to 4"):
        scan.slice(5)
    with pytest.raises(InputError, match="slice 0 shows only air"):
        scan.slice(0).body  # noqa: B018


def test_scans_that_are_none(tmp_path):
    write_scan(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="Set the modality"):
        read_scan(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="given as MR, but intensities reach down"):
        read_scan(tmp_path / "a.nii.gz", modality="mr")
    write_scan(tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match="contains 2 scans, but a figure shows one"):
        read_scan(tmp_path, modality="ct")
    with pytest.raises(InputError, match="no such file"):
        read_scan(tmp_path / "c.nii.gz", modality="ct")


def test_a_dicom_series_says_its_modality(tmp_path):
    voxels = np.full((24, 20, 4), -1000, np.int16)
    voxels[4:20, 4:16] = 40
    folder = write_dicom_series(tmp_path / "series", voxels)
    scan = read_scan(folder)
    assert (scan.modality, scan.n_slices) == ("ct", 4)
    assert scan.slice(1).image.max() == 40
