"""Headers that ask for more memory than a scan needs."""

import gzip

import numpy as np
import pytest
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data import LoadVolumed
from meddino_components.data.volumes import size_limits
from meddino_components.data.volumes.size_limits import MAX_VOXELS, check_voxel_count
from meddino_components.errors import InputError


def load(path, key="image"):
    return LoadVolumed(key)({key: str(path), "modality": "ct"})[key]


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_the_limit_of_voxels_is_settable(tmp_path, monkeypatch, kind):
    voxels = ct_voxels()
    path = save_nifti(tmp_path / "a.nii.gz", voxels) if kind == "nifti" else write_dicom_series(tmp_path / "s", voxels)
    monkeypatch.setenv("MEDDINO_MAX_VOXELS", str(voxels.size))
    assert load(path).shape == (1, *voxels.shape)
    monkeypatch.setenv("MEDDINO_MAX_VOXELS", str(voxels.size - 1))
    with pytest.raises(InputError, match=r"claims 2,400 voxels; at most 2,399 .*MEDDINO_MAX_VOXELS"):
        load(path)
    monkeypatch.setenv("MEDDINO_MAX_VOXELS", "many")
    with pytest.raises(InputError, match="MEDDINO_MAX_VOXELS is 'many'"):
        load(path)


def test_large_scans_are_below_the_limit():
    check_voxel_count("a", 512 * 512 * 2000)
    with pytest.raises(InputError, match="at most"):
        check_voxel_count("a", MAX_VOXELS + 1)


def test_empty_space_is_no_scan_but_may_be_a_label_map(tmp_path, monkeypatch):
    empty = save_nifti(tmp_path / "a.nii.gz", np.zeros((128, 128, 100), np.uint8))
    with pytest.raises(InputError, match="every voxel is 0"):  # small enough to be looked at
        load(empty)
    monkeypatch.setattr(size_limits, "_SMALL_BYTES", 2**20)
    with pytest.raises(InputError, match="a scan compresses to 150 : 1 at most"):
        load(empty)
    assert not load(empty, "label").any()


def test_dicom_pixels_that_the_file_does_not_hold_are_refused(tmp_path):
    folder = write_dicom_series(tmp_path / "s", ct_voxels())
    for path in folder.iterdir():
        content = path.read_bytes()
        rows = b"\x28\x00\x10\x00US\x02\x00"
        start = content.index(rows) + len(rows)
        path.write_bytes(content[:start] + (60000).to_bytes(2, "little") + content[start + 2 :])
    with pytest.raises(InputError, match="claims 2,880,000 bytes"):
        load(folder)


def test_truncated_gzip_is_said(tmp_path):
    path = save_nifti(tmp_path / "a.nii.gz", ct_voxels())
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:2000]))
    with pytest.raises(InputError, match="truncated"):
        load(path)
