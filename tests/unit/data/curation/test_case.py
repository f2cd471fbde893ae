"""Hostile inputs 5 to 7 as the slice store meets them."""

import itertools
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, ornt_transform
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data.curation.case import Refused, read_case
from meddino_components.errors import InputError

CT = ct_voxels()


def test_slices_are_as_a_radiologist_sees_them_with_their_spacing(tmp_path):
    volume = read_case(str(save_nifti(tmp_path / "a b ü.nii.gz", CT)), "ct")
    # the file's axes run to right... left, anterior and up: rows to posterior, columns to the left
    np.testing.assert_array_equal(volume.slices, np.clip(CT, -1024, None)[::-1, ::-1].transpose(2, 1, 0))
    np.testing.assert_allclose(volume.spacing_mm, (0.9, 0.7, 4.0), atol=1e-6)
    assert (volume.scale, volume.offset, volume.source_slices) == (1.0, 0.0, 5)
    np.testing.assert_array_equal(volume.numbers, range(5))
    below = int((CT < -1024).sum())
    assert volume.changed == ({"raised to -1024 HU": below} if below else {})


def test_all_48_orientations_are_one_volume(tmp_path):
    base, first = nib.Nifti1Image(CT, np.diag([0.7, 0.9, 4.0, 1.0])), None
    names = ["".join(p) for axes in itertools.permutations(("RL", "AP", "SI")) for p in itertools.product(*axes)]
    for name in names:
        stored = base.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(name)))
        nib.save(stored, tmp_path / "a.nii")
        volume = read_case(str(tmp_path / "a.nii"), "ct")
        first = volume if first is None else first
        np.testing.assert_array_equal(volume.slices, first.slices)
        np.testing.assert_allclose(volume.spacing_mm, first.spacing_mm, atol=1e-5)


def test_padding_metal_and_fractions_are_counted(tmp_path):
    voxels = CT.astype(np.float32)
    voxels[0, :3, 0] = -3024
    voxels[1, :2, 0] = -2000
    voxels[12, 10, 2] = 30_000
    voxels[12, 11, 2] = 40_000
    voxels[12, 12, 2] = 41.4
    volume = read_case(str(save_nifti(tmp_path / "a.nii.gz", voxels)), "ct")
    below = int((CT < -1024).sum())
    assert volume.changed["raised to -1024 HU"] in range(5, 6 + below)
    assert volume.changed["lowered to 32767 HU"] == 1
    assert volume.changed["rounded"] == 1
    assert (volume.slices.min(), volume.slices.max()) == (-1024, 32767)
    assert 30_000 in volume.slices[2]
    assert 41 in volume.slices[2]


def test_slices_of_air_are_dropped_and_numbers_kept(tmp_path):
    voxels = CT.copy()
    voxels[..., [0, 3]] = np.random.default_rng(1).integers(-1030, -950, voxels.shape[:2])[..., None]
    voxels[..., 4] = -1024
    volume = read_case(str(save_nifti(tmp_path / "a.nii.gz", voxels)), "ct")
    np.testing.assert_array_equal(volume.numbers, [1, 2])
    assert (len(volume.slices), volume.source_slices) == (2, 5)
    noise = np.random.default_rng(1).integers(-1300, -950, voxels.shape).astype(np.int16)
    path = save_nifti(tmp_path / "air.nii.gz", noise)
    with pytest.raises(Refused, match="every slice is air") as error:
        read_case(str(path), "ct")
    assert error.value.kind == "air only"


def windowed(voxels):
    return np.clip((voxels.astype(float) + 160) / 400 * 255, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("voxels", "modality", "said"),
    [
        (windowed(CT), "ct", "windowed picture"),
        (windowed(CT).astype(np.float32) * 8 - 1000, "ct", "8-bit picture"),
        (np.clip(CT + 1024, 0, 4000), "ct", "no voxel is below -200 HU"),
        (np.abs(CT), "ct", "set the modality to mr"),
        (CT, "mr", "as in CT"),
        ((CT > 0).astype(np.uint8), "mr", "one value"),
        (np.random.default_rng(0).integers(0, 16, CT.shape).astype(np.uint8), "mr", "a label map or a mask"),
    ],
    ids=["8 bits", "8 bits with a rescale", "no rescale intercept", "MR as CT", "CT as MR", "mask", "label map"],
)
def test_what_is_not_of_the_modality_is_refused(tmp_path, voxels, modality, said):
    path = save_nifti(tmp_path / "case 1.nii.gz", voxels)
    with pytest.raises(Refused, match=said) as error:
        read_case(str(path), modality)
    assert error.value.kind == "refused"
    assert str(path) in str(error.value)


def test_a_check_can_be_turned_off(tmp_path):
    path = save_nifti(tmp_path / "a.nii.gz", windowed(CT))
    assert len(read_case(str(path), "ct", check_modality=False).slices) == 5


def test_mr_is_kept_exactly_or_to_half_a_step(tmp_path):
    rng = np.random.default_rng(0)
    signal = np.where(CT > -500, rng.normal(600, 90, CT.shape), rng.normal(12, 3, CT.shape))
    whole = read_case(str(save_nifti(tmp_path / "a.nii.gz", signal.round().astype(np.int16))), "mr")
    assert (whole.scale, whole.offset, whole.changed) == (1.0, 0.0, {})
    np.testing.assert_array_equal(whole.slices, signal.round()[::-1, ::-1].transpose(2, 1, 0))
    for factor in (0.001, 1.0, 1e4):
        expected = (factor * signal).astype(np.float32)
        volume = read_case(str(save_nifti(tmp_path / "b.nii.gz", expected)), "mr")
        back = volume.slices * volume.scale + volume.offset
        np.testing.assert_allclose(back, expected[::-1, ::-1].transpose(2, 1, 0), atol=0.5001 * volume.scale, rtol=1e-6)
        assert volume.scale == pytest.approx(np.ptp(expected) / 65534)
        assert volume.changed == {"scaled to 16 bits": CT.size}


def test_dicom_series_and_their_traps(tmp_path):
    volume = read_case(str(write_dicom_series(tmp_path / "Serie 1 ü", CT)), "ct")
    # DICOM's axes run to left, posterior and up: the canonical ones but for the order
    np.testing.assert_array_equal(volume.slices, np.clip(CT, -1024, None).transpose(2, 1, 0))
    np.testing.assert_allclose(volume.spacing_mm, (0.9, 0.7, 4.0), atol=1e-6)
    for name, settings, said in (
        ("tilt", {"tilt": 0.8}, "gantry tilt"),
        ("gap", {"skip": (2,)}, "8.000 mm apart, other slices 4.000 mm .1 missing"),
        ("rescale", {"slope": None}, "lacks rescale slope"),
        ("position", {"spacing_mm": (0.7, 0.9, float("nan"))}, "ImagePositionPatient"),
    ):
        folder = write_dicom_series(tmp_path / name, CT, **settings)
        with pytest.raises(InputError, match=said) as error:
            read_case(str(folder), "ct")
        assert str(folder) in str(error.value)


@pytest.fixture
def real():
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("MEDDINO_DATA is not set: no folder with real data")
    return Path(os.environ["MEDDINO_DATA"])


def test_real_scans(real):
    ct = read_case(str(real / "totalseg_ct" / "example_ct.nii.gz"), "ct")
    assert ct.slices.shape == (112, 101, 122)
    series = read_case(str(real / "dcmqi" / "segmentations" / "ct-3slice"), "ct")
    assert (series.slices.shape, series.slices.min()) == ((3, 512, 512), -1024)
    assert series.changed == {"raised to -1024 HU": 167_316}
    mr = read_case(str(real / "picai_prostatex0000_t2tra" / "4.000000-t2tsetra-00702"), "mr")
    assert (mr.slices.shape, mr.scale) == ((19, 384, 384), 1.0)
    with pytest.raises(Refused, match="windowed picture"):
        read_case(str(real / "vtkjs_lidc2" / "LIDC2_converted.nii.gz"), "ct")
