"""NIfTI headers that say where voxels are, how large they are, and which way the axes run, rightly and wrongly."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from volume_files import ct_voxels, save_nifti

from meddino_components.data import LoadVolumed
from meddino_components.data.volumes.file_checks import read_header
from meddino_components.errors import InputError

VOXELS = ct_voxels()


def written(path, **fields):
    """A NIfTI file whose header fields are as given, past nibabel's corrections."""
    plain = save_nifti(path.with_name("plain.nii"), VOXELS).read_bytes()
    header = nib.Nifti1Header(plain[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + plain[348:]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def load(path, **settings):
    return LoadVolumed("image", **settings)({"image": str(path)})["image"]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("offset", [0, 1, 348, 351, -16, 352.5, np.nan])
def test_voxels_that_would_begin_in_the_header_are_refused(tmp_path, name, offset):
    with pytest.raises(InputError, match=r"vox_offset is .* expected 352 or more"):
        load(written(tmp_path / name, vox_offset=offset))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_voxels_that_would_go_on_beyond_the_file_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="truncated or its header damaged"):
        load(written(tmp_path / name, vox_offset=368))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII", "A.NII.GZ", "a.Nii.Gz"])
def test_names_in_any_case_are_read(tmp_path, name):
    source = written(tmp_path / "x" / ("a.nii.gz" if name.lower().endswith("gz") else "a.nii"))
    np.testing.assert_array_equal(load(source.rename(tmp_path / name)).numpy()[0], VOXELS)


@pytest.fixture(autouse=True)
def _folder(tmp_path):
    (tmp_path / "x").mkdir()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    "fields", [{"dim": [3, 23, 20, 5, 1, 1, 1, 1]}, {"datatype": 2, "bitpix": 8}, {"dim": [3, 24, 20, 4, 1, 1, 1, 1]}]
)
def test_a_header_that_claims_less_than_there_is_is_refused(tmp_path, name, fields):
    with pytest.raises(InputError, match="follow the last voxel"):
        load(written(tmp_path / name, **fields))


def test_a_bomb_behind_a_small_header_is_refused_without_unpacking_it(tmp_path, monkeypatch):
    content = written(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content + bytes(2**27)))
    seen = []
    original = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda *a: seen.append(len(part := original(*a))) or part)
    with pytest.raises(InputError, match="follow the last voxel"):
        load(tmp_path / "b.nii.gz")
    assert sum(seen) < 2**22


def test_padding_and_several_gzip_members_are_read(tmp_path):
    content = written(tmp_path / "a.nii").read_bytes()
    (tmp_path / "p.nii").write_bytes(content + bytes(164))
    (tmp_path / "m.nii.gz").write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    for name in ("p.nii", "m.nii.gz"):
        np.testing.assert_array_equal(load(tmp_path / name).numpy()[0], VOXELS)


def test_qfac_of_zero_means_one(tmp_path):
    half = np.sqrt(0.5)
    quaternion = {"quatern_b": 0, "quatern_c": 0, "quatern_d": half, "qoffset_x": 5, "sform_code": 0, "qform_code": 1}
    pixdim = np.array([0, 0.7, 0.9, 4, 0, 0, 0, 0], np.float32)
    found = load(written(tmp_path / "a.nii", pixdim=pixdim, **quaternion))
    pixdim[0] = 1
    expected = load(written(tmp_path / "b.nii", pixdim=pixdim, **quaternion))
    np.testing.assert_array_equal(found.affine.numpy(), expected.affine.numpy())
    np.testing.assert_allclose(found.affine.numpy()[:3], [[0, -0.9, 0, 5], [0.7, 0, 0, 0], [0, 0, 4, 0]], atol=1e-5)
    pixdim[0] = 0.5
    with pytest.raises(InputError, match="qform cannot be read"):
        load(written(tmp_path / "c.nii", pixdim=pixdim, **quaternion))


def test_a_spacing_that_is_missing_can_be_stated(tmp_path):
    path = written(tmp_path / "a.nii", pixdim=[1, 0, 0, 0, 0, 0, 0, 0], sform_code=0, qform_code=0)
    with pytest.raises(InputError, match=r"pixdim\) is \(0, 0, 0\) mm.*set `spacing_mm`"):
        load(path)
    with pytest.warns(UserWarning, match="neither sform nor qform"):
        affine = load(path, spacing_mm=[0.7, 0.9, 4]).affine.numpy()
    np.testing.assert_allclose(np.abs(np.diag(affine)[:3]), [0.7, 0.9, 4], atol=1e-6)
    with pytest.raises(InputError, match=r"spacing_mm is \(1, 1, 1\), but the header says \(0\.7, 0\.9, 4\) mm"):
        load(written(tmp_path / "b.nii"), spacing_mm=[1, 1, 1])
    with pytest.raises(InputError, match=r"spacing_mm is .* expected three positive numbers"):
        LoadVolumed("image", spacing_mm=[1, 0, 1])


def test_messages_hold_plain_numbers(tmp_path):
    for fields in ({"pixdim": [1, 1, -2.8, 1, 1, 1, 1, 1]}, {"srow_x": 0, "srow_y": 0, "qform_code": 0}):
        with pytest.raises(InputError) as error:
            read_header(written(tmp_path / "a.nii", **fields))
        assert "np." not in str(error.value)
