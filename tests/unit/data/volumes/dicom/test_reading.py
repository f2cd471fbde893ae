"""Series that are irregular are refused with what was found; the others come with voxels and grid as stored."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from volume_files import compress_as_jpeg2000, ct_voxels, write_dicom_series

from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError

CT = ct_voxels()
TRANSVERSE, CORONAL = "1\\0\\0\\0\\1\\0", "1\\0\\0\\0\\0\\-1"


def test_voxels_and_grid(tmp_path):
    # a scale of its own for each slice, files in no order
    names = [f"{name}.dcm" for name in "dbeac"]
    write_dicom_series(tmp_path, CT, slope="2", intercept="-5.5")
    for k, name in enumerate(names):
        (tmp_path / f"{k:03d}.dcm").rename(tmp_path / name)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.voxels, CT * 2 - 5.5)
    assert volume.voxels.dtype == np.float32
    np.testing.assert_allclose(volume.affine, np.diag([-0.7, -0.9, 4.0, 1.0]), atol=1e-9)
    assert [Path(file).name for file in volume.series.files] == names
    assert not volume.resampled


def test_each_slice_is_rescaled_by_its_own_tags(tmp_path):
    for k, slope in enumerate(("1", "2", "0.5")):
        write_dicom_series(tmp_path, CT[:, :, :3], slope=slope, skip={0, 1, 2} - {k})
    np.testing.assert_array_equal(read_series(tmp_path).voxels, CT[:, :, :3] * np.float32([1, 2, 0.5]))


def test_jpeg2000(tmp_path):
    folder = compress_as_jpeg2000(write_dicom_series(tmp_path / "plain", CT, intercept="-7"), tmp_path / "compressed")
    syntax = b"1.2.840.10008.1.2.4.90"
    assert all(syntax in path.read_bytes()[:1024] for path in folder.iterdir())
    volume = read_series(folder)
    np.testing.assert_array_equal(volume.voxels, CT - 7.0)
    np.testing.assert_allclose(volume.affine, np.diag([-0.7, -0.9, 4.0, 1.0]), atol=1e-9)


def test_tilt_is_resampled_on_request(tmp_path):
    """Slices shifted by whole pixels: the right answer needs no interpolation."""
    folder = write_dicom_series(tmp_path / "s", CT, tilt=-1.8)  # two pixels to anterior from slice to slice
    volume = read_series(folder, gantry_tilt="resample")
    assert volume.resampled
    assert volume.voxels.shape == (24, 20 + 8, 5)
    expected = np.full((24, 28, 5), CT.min(), np.float32)
    for k in range(5):
        expected[:, 8 - 2 * k : 28 - 2 * k, k] = CT[:, :, k]
    np.testing.assert_allclose(volume.voxels, expected, atol=1e-2)
    grid = np.diag([-0.7, -0.9, 4.0, 1.0])
    grid[1, 3] = 7.2
    np.testing.assert_allclose(volume.affine, grid, atol=1e-6)
    with pytest.raises(InputError, match="expected one of refuse, resample"):
        read_series(folder, gantry_tilt="ignore")


def test_resampling_needs_regular_slices(tmp_path):
    with pytest.raises(InputError, match="apart"):
        read_series(write_dicom_series(tmp_path / "s", CT, tilt=1.0, skip=(2,)), gantry_tilt="resample")


def test_a_single_slice(tmp_path):
    assert read_series(write_dicom_series(tmp_path, CT[:, :, :1], thickness=3)).voxels.shape == (24, 20, 1)


@pytest.fixture
def real():
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("MEDDINO_DATA is not set: no folder with real data")
    return Path(os.environ["MEDDINO_DATA"])


def test_real_series_agree_with_pydicom(real):
    pydicom = pytest.importorskip("pydicom")
    for name in ("dcmqi/segmentations/ct-3slice", "picai_prostatex0000_t2tra/4.000000-t2tsetra-00702"):
        volume = read_series(real / name)
        for k, file in enumerate(volume.series.files):
            source = pydicom.dcmread(file)
            pixels = source.pixel_array * float(source.get("RescaleSlope", 1)) + float(
                source.get("RescaleIntercept", 0)
            )
            np.testing.assert_array_equal(volume.voxels[:, :, k].T, pixels)
            position = (np.diag([-1, -1, 1, 1]) @ volume.affine)[:3] @ [0, 0, k, 1]
            np.testing.assert_allclose(position, np.array(source.ImagePositionPatient, float), atol=1e-3)


def test_real_gantry_tilt(real, tmp_path):
    folder = real / "dcm_qa_ct_ge" / "In" / "GE"
    with pytest.raises(InputError, match=r"gantry tilt of 18\.5 degrees"):
        read_series(folder)
    with pytest.raises(InputError, match="14 slices of 4 mm and 14 slices of 7 mm"):
        read_series(folder, gantry_tilt="resample")
    for number in range(1, 15):  # those of 4 mm
        shutil.copy(folder / f"{number:02d}.dcm", tmp_path)
    volume = read_series(tmp_path, gantry_tilt="resample")
    assert volume.voxels.shape == (512, 548, 14)
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert np.linalg.norm(volume.affine[:3, 2]) == pytest.approx(4.22 * np.cos(np.deg2rad(18.5)), abs=1e-3)
