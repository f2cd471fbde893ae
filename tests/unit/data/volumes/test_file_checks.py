"""What a file is by its name and its first bytes."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti_edits import load, save
from volume_files import ct_voxels

from meddino_components.data.volumes.file_checks import is_image, is_nifti, parse_spacing, stem_of
from meddino_components.errors import InputError

VOXELS = ct_voxels()


@pytest.mark.parametrize(
    ("name", "stem", "nifti"),
    [
        ("a.nii", "a", True),
        ("a.b.NII.GZ", "a.b", True),
        ("a.Nrrd", "a", False),
        ("a.nhdr", "a", False),
        ("a.mha.mhd", "a.mha", False),
    ],
)
def test_kinds_that_are_read(tmp_path, name, stem, nifti):
    path = Path(name)
    assert is_image(path)
    assert (stem_of(path), is_nifti(path)) == (stem, nifti)
    # a folder's name is a name as a whole
    (tmp_path / name).mkdir()
    assert stem_of(tmp_path / name) == name


@pytest.mark.parametrize("name", ["a.gz", "nii", "a.dcm", "a.nii.zip", "a"])
def test_kinds_that_are_not(name):
    assert not is_image(Path(name))
    with pytest.raises(InputError, match=r"unknown kind of file\. Expected one ending in \.nii, \.nii\.gz, \.nrrd"):
        stem_of(Path(name))


def test_a_spacing_that_a_user_states():
    assert parse_spacing(None) is None
    assert parse_spacing(["0.8", 1, 5]) == (0.8, 1.0, 5.0)


@pytest.mark.parametrize(
    "spacing", [[1, 1], [1, 1, 1, 1], [1, 1, 0], [1, 1, -1], [1, 1, float("nan")], "mm", 1, [1, 1, "x"]]
)
def test_a_spacing_that_nothing_has(spacing):
    with pytest.raises(InputError, match="expected three positive numbers of mm"):
        parse_spacing(spacing)


def test_a_pair_is_refused_by_name(tmp_path):
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "a.hdr")
    for name in ("a.hdr", "a.img"):
        with pytest.raises(InputError, match=r"Convert a pair of \.hdr and \.img"):
            load(tmp_path / name)
    with pytest.raises(InputError, match="header of a pair of files"):
        load((tmp_path / "a.hdr").rename(tmp_path / "b.nii"))


def test_gz_that_is_not_gzip(tmp_path):
    path = save(tmp_path / "g.nii")
    with pytest.raises(InputError, match="not gzip"):
        load(path.rename(tmp_path / "g.nii.gz"))
