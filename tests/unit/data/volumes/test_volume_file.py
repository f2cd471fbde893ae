"""Voxels and grid of one file, in whatever format."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from nifti_edits import RNG, SPACING, VOXELS, affine_of, load, patch_header, save

from meddino_components.data.volumes.file_checks import read_header
from meddino_components.data.volumes.volume_file import read_volume_file
from meddino_components.errors import InputError


@pytest.mark.parametrize("name", ["a.nii", "A.NII.gz"])
def test_voxels_have_the_type_of_the_file_unless_they_are_scaled(tmp_path, name):
    voxels = (VOXELS + 1001).astype(np.uint16)
    path = save(tmp_path / "x.nii", voxels)
    content = path.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found, affine = read_volume_file(tmp_path / name)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, voxels)
    np.testing.assert_allclose(affine, affine_of(), atol=1e-6)
    patch_header(path, scl_slope=2.0, scl_inter=1.0)
    found, _ = read_volume_file(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, 2 * voxels.astype(np.float32) + 1)


def test_nifti_2_is_read_by_its_header(tmp_path):
    nib.save(nib.Nifti2Image(VOXELS, affine_of()), tmp_path / "a.nii")
    found, affine = read_volume_file(tmp_path / "a.nii")
    np.testing.assert_array_equal(found, VOXELS)
    np.testing.assert_allclose(affine, affine_of(), atol=1e-9)


def test_scaled_voxels_are_scaled_in_float32(tmp_path):
    path = save(tmp_path / "s.nii")
    patch_header(path, scl_slope=0.5, scl_inter=-3.0)
    np.testing.assert_allclose(load(path).numpy()[0], VOXELS * 0.5 - 3)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_gzip(tmp_path, share):
    path = save(tmp_path / "t.nii.gz", RNG.integers(-1000, 1000, (64, 64, 20)).astype(np.int16))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=r"(?i)truncated.*copy"):
        load(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_truncated_compressed_itk_formats(tmp_path, suffix):
    import itk

    path = tmp_path / f"v{suffix}"
    itk.imwrite(
        itk.image_from_array(RNG.integers(-1000, 1000, (20, 64, 64)).astype(np.int16)), str(path), compression=True
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match=str(path)):
        load(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_itk_formats_agree_with_nifti(tmp_path, suffix):
    import itk

    image = itk.image_from_array(np.ascontiguousarray(VOXELS.T))
    image.SetSpacing([float(s) for s in SPACING])
    image.SetOrigin([-10.0, 20.0, 30.0])
    direction = np.diag([-1.0, -1.0, 1.0])
    image.SetDirection(itk.matrix_from_array(direction))
    path = tmp_path / f"v{suffix}"
    itk.imwrite(image, str(path))
    volume = load(path)
    np.testing.assert_array_equal(volume.numpy()[0], VOXELS)
    np.testing.assert_allclose(volume.affine.numpy(), affine_of(), atol=1e-6)
    np.testing.assert_allclose(read_header(path).affine, volume.affine.numpy(), atol=1e-9)
    # uncompressed and compressed
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=str(path)):
        load(path)
