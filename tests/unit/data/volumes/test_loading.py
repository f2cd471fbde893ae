"""Hostile inputs 1 to 5: each gives the right grid or one error that names the file and the way out."""

import gzip
import itertools
import os
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import Orientationd
from nibabel.orientations import axcodes2ornt, ornt_transform
from nifti_edits import RNG, SPACING, VOXELS, affine_of, load, patch_header, save

from meddino_components.data import LoadVolumed
from meddino_components.data.volumes.file_checks import read_header
from meddino_components.errors import InputError
from meddino_components.slice_planes import AXIAL


def test_volume_dtype_shape_affine_and_meta(tmp_path):
    volume = load(save(tmp_path / "a b ü.nii.gz"))
    assert volume.shape == (1, 9, 7, 5)
    assert str(volume.dtype) == "torch.float32"
    np.testing.assert_array_equal(volume.numpy()[0], VOXELS)
    np.testing.assert_allclose(volume.affine.numpy(), affine_of(), atol=1e-6)
    assert "descrip" not in volume.meta  # headers may name people
    label = load(save(tmp_path / "l.nii.gz", (VOXELS > 0).astype(np.int16)), "label")
    assert str(label.dtype) == "torch.uint8"


def test_all_48_orientations_give_one_canonical_volume(tmp_path):
    reference = None
    base = nib.Nifti1Image(VOXELS, affine_of())
    names = ["".join(p) for axes in itertools.permutations(("RL", "AP", "SI")) for p in itertools.product(*axes)]
    assert len(names) == 48
    for name in names:
        path = tmp_path / f"{name}.nii"
        stored = base.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(name)))
        save(path, np.asarray(stored.dataobj), stored.affine)
        case = Orientationd(keys="image", axcodes=AXIAL, labels=None)({"image": load(path)})["image"]
        if reference is None:
            reference = case
        np.testing.assert_array_equal(case.numpy(), reference.numpy())
        np.testing.assert_allclose(case.affine.numpy(), reference.affine.numpy(), atol=1e-4)
    # rows run to posterior, columns to the left, slices upwards
    np.testing.assert_allclose(reference.affine.numpy()[:3, :3], [[0, -0.7, 0], [-0.9, 0, 0], [0, 0, 4]], atol=1e-6)


def test_oblique_is_fine(tmp_path):
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    volume = load(save(tmp_path / "o.nii.gz", affine=turn @ affine_of()))
    np.testing.assert_allclose(volume.affine.numpy(), turn @ affine_of(), atol=1e-5)


@pytest.mark.parametrize("shape", [(9, 7, 1), (3, 4, 5), (9, 7, 5, 1), (9, 7, 5, 1, 1)])
def test_single_slice_and_trailing_singletons(tmp_path, shape):
    volume = load(save(tmp_path / "v.nii.gz", RNG.integers(0, 9, shape).astype(np.int16)))
    assert tuple(volume.shape) == (1, *shape[:3])


def test_no_form_is_read_with_a_warning(tmp_path):
    def no_codes(image):
        image.set_qform(None, 0)
        image.set_sform(None, 0)

    path = save(tmp_path / "n.nii.gz", edit=no_codes)
    with pytest.warns(UserWarning, match="neither sform nor qform"):
        volume = load(path)
    np.testing.assert_allclose(np.linalg.norm(volume.affine.numpy()[:3, :3], axis=0), SPACING, atol=1e-6)


def test_forms_that_differ_in_code_or_by_rounding_are_fine(tmp_path):
    def other_code(image):
        image.set_sform(image.affine, 4)

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        load(save(tmp_path / "c.nii.gz", edit=other_code))


def sheared():
    affine = affine_of()
    affine[0, 1] = 0.1
    return affine


def singular():
    affine = affine_of()
    affine[:3, 1] = affine[:3, 0]
    return affine


def only_sform(affine):
    def edit(image):
        image.set_qform(None, 0)
        image.set_sform(affine, 1)

    return edit


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("sheared", lambda p: save(p, edit=only_sform(sheared())), "sheared"),
        ("singular", lambda p: save(p, edit=only_sform(singular())), "singular"),
        ("zero_axis", lambda p: patch_header(save(p, edit=only_sform(affine_of())), srow_x=0, srow_y=0), "spacing"),
        ("nan_affine", lambda p: patch_header(save(p), srow_x=np.nan), "affine"),
        ("zero_pixdim", lambda p: patch_header(save(p), pixdim=[1, 0, 1, 1, 1, 1, 1, 1]), "spacing"),
        ("negative_pixdim", lambda p: patch_header(save(p), pixdim=[1, 1, -1, 1, 1, 1, 1, 1]), "spacing"),
        ("nan_pixdim", lambda p: patch_header(save(p), pixdim=[1, 1, np.nan, 1, 1, 1, 1, 1]), "spacing"),
        ("disagree", lambda p: save(p, edit=lambda i: i.set_sform(affine_of(origin=(10.1, -20, 30)))), "disagree"),
        ("nan_slope", lambda p: patch_header(save(p), scl_slope=np.nan), "scl_slope"),
        ("nan_inter", lambda p: patch_header(save(p), scl_slope=2, scl_inter=np.nan), "scl_inter"),
        ("huge", lambda p: patch_header(save(p), dim=[3, 10000, 10000, 10000, 1, 1, 1, 1]), "claims"),
        ("metres", lambda p: patch_header(save(p), xyzt_units=1), "mm"),
        ("4d", lambda p: save(p, np.zeros((4, 4, 4, 3), np.int16)), "3D"),
        (
            "rgb",
            lambda p: save(p, np.zeros((4, 4, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))),
            "RGB",
        ),
        ("empty", lambda p: p.touch() or p, "zero bytes"),
        ("lfs", lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n") and p, "git lfs"),
        ("garbage", lambda p: p.write_bytes(RNG.bytes(1000)) and p, "NIfTI"),
        ("missing", lambda p: p, "no such file"),
    ],
)
def test_refused_with_name_and_reason(tmp_path, name, make, message):
    path = make(tmp_path / f"{name}.nii")
    with pytest.raises(InputError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)


def test_header_of_compressed_file_that_claims_a_terabyte_allocates_nothing(tmp_path):
    path = patch_header(save(tmp_path / "h.nii"), dim=[3, 10000, 10000, 10000, 1, 1, 1, 1])
    packed = tmp_path / "h.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match=r"2,000,000,000,000 bytes"):
        load(packed)


def test_unknown_suffix_and_wrong_type(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="unknown kind"):
        load(tmp_path / "a.png")
    with pytest.raises(InputError, match="expected one path"):
        LoadVolumed(keys="image")({"image": 3})


@pytest.fixture
def real() -> Path:
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("MEDDINO_DATA is not set: no folder with real data")
    return Path(os.environ["MEDDINO_DATA"])


def test_real_volumes(real):
    ct = load(real / "totalseg_ct" / "example_ct.nii.gz")
    assert tuple(ct.shape) == (1, 122, 101, 112)
    assert (float(ct.min()), float(ct.max())) == (-1207, 3382)
    label = load(real / "amos_label_only" / "amos_0013.nii.gz", "label")
    assert (tuple(label.shape), int(label.max())) == ((1, 512, 512, 82), 15)
    assert tuple(load(real / "pyradiomics_brain" / "brain1_image.nrrd").shape) == (1, 256, 256, 25)


def test_real_dicom(real):
    volume = load(real / "dcmqi" / "segmentations" / "ct-3slice")
    assert (tuple(volume.shape), float(volume.min())) == ((1, 512, 512, 3), -3024)
    header = read_header(real / "dcmqi" / "segmentations" / "liver_seg.nrrd")
    np.testing.assert_allclose(np.abs(header.affine[:2, :2].diagonal()), 0.810547, atol=1e-4)
    with pytest.raises(InputError, match=r"gantry tilt of 18\.5 degrees"):
        load(real / "dcm_qa_ct_ge" / "In" / "GE")  # 4 mm and 7 mm slices, tilted gantry
