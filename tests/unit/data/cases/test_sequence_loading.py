"""Sequences become the channels of one volume, in one order and on one grid."""

import os

import nibabel as nib
import numpy as np
import pytest
from brain_cases import brain_cases
from brats_volumes import write_brats_case, write_dicom_case
from scipy.ndimage import affine_transform

from meddino_components.data import LoadSequencesd, NormalizeIntensityByModalityd
from meddino_components.data.cases.case_files import case_files
from meddino_components.data.cases.sequence_names import SEQUENCES
from meddino_components.errors import InputError


def test_channels_come_in_one_order_on_the_grid_of_the_first(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    load = LoadSequencesd("image", sequences=SEQUENCES)
    image = load({"image": {name: str(paths[name]) for name in reversed(SEQUENCES)}})["image"]
    assert image.shape == (4, *nib.load(paths["t1"]).shape)
    for channel, name in zip(image, SEQUENCES, strict=True):
        np.testing.assert_array_equal(channel.numpy(), np.asarray(nib.load(paths[name]).dataobj))
    np.testing.assert_array_equal(image.affine, nib.load(paths["t1"]).affine)
    assert image.meta["filename_or_obj"] == str(paths["t1"])


def test_sequences_on_different_grids_are_refused(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    other = nib.load(paths["flair"])
    affine = other.affine.copy()
    affine[0, 3] += 4.0
    nib.save(nib.Nifti1Image(np.asarray(other.dataobj), affine), paths["flair"])
    with pytest.raises(InputError, match=r"a_flair\.nii\.gz: its grid lies up to 4 mm from that of .*a_t1\.nii\.gz"):
        LoadSequencesd("image", sequences=SEQUENCES)(brain_cases(tmp_path)[0])
    with pytest.raises(InputError, match="expected a file for each of t1, t1ce, t2, flair"):
        LoadSequencesd("image", sequences=SEQUENCES)({"image": [str(paths["t1"])], "case_id": "a"})


def test_one_file_stands_for_its_case(tmp_path):
    """As MONAI Label gives it: the others are found beside it by their names, in the bundle's order."""
    write_brats_case(tmp_path, "b", seed=1)
    paths = write_brats_case(tmp_path, "a")
    load = LoadSequencesd("image", sequences=SEQUENCES)
    whole = load(brain_cases(tmp_path)[0])["image"]
    opened = load({"image": str(paths["flair"])})["image"]
    np.testing.assert_array_equal(opened.numpy(), whole.numpy())
    assert opened.meta["filename_or_obj"] == str(paths["flair"])
    case = {"image": str(paths["flair"]), "label": str(paths["seg"])}
    assert set(case_files(case)) == {str(path) for path in paths.values()}
    paths["t2"].unlink()
    with pytest.raises(InputError, match=r"case a in .*: t2 missing; found a_flair.nii.gz, a_t1.nii.gz, a_t1ce.nii.gz"):
        load({"image": str(paths["flair"])})
    with pytest.raises(InputError, match="the name identifies no sequence"):
        load({"image": str(tmp_path / "scan.nii.gz")})


def test_dicom_tags_must_not_contradict_mr(tmp_path):
    write_dicom_case(tmp_path / "p1", modality="CT")
    with pytest.raises(InputError, match="modality is given as 'mr', but the DICOM files say 'CT'"):
        LoadSequencesd("image", sequences=SEQUENCES)(brain_cases(tmp_path)[0])


def test_tilted_dicom_sequences_are_resampled_where_asked(tmp_path):
    write_dicom_case(tmp_path / "p1", tilt=1.0)
    (case,) = brain_cases(tmp_path)
    with pytest.raises(InputError, match="gantry tilt"):
        LoadSequencesd("image", sequences=SEQUENCES)(case)
    image = LoadSequencesd("image", sequences=SEQUENCES, gantry_tilt="resample")(case)["image"]
    assert image.meta["dicom_resampled"]


def ct_and_pet(folder, *, resampled):
    """CT and PET of a real patient; the published PET has voxels four times as large."""
    paths = {name: f"{os.environ['MEDDINO_DATA']}/ibsi_sts/STS_004/{name}_image.nii.gz" for name in ("CT", "PET")}
    if resampled:
        ct, pet = (nib.load(path) for path in paths.values())
        place = np.linalg.inv(pet.affine) @ ct.affine
        values = affine_transform(pet.get_fdata(), place[:3, :3], place[:3, 3], ct.shape, order=1, mode="nearest")
        paths["PET"] = str(folder / "PET.nii.gz")
        nib.save(nib.Nifti1Image(values.astype(np.float32), ct.affine), paths["PET"])
    return {"image": paths, "case_id": "STS_004", "modality": {"PET": "pet", "CT": "ct"}}


@pytest.mark.skipif("MEDDINO_DATA" not in os.environ, reason="reads real scans")
def test_ct_and_pet_of_a_patient_have_to_share_a_grid(tmp_path):
    load = LoadSequencesd("image", sequences=("CT", "PET"))
    with pytest.raises(InputError, match=r"PET_image\.nii\.gz: .*CT_image\.nii\.gz"):
        load(ct_and_pet(tmp_path, resampled=False))


@pytest.mark.skipif("MEDDINO_DATA" not in os.environ, reason="reads real scans")
def test_ct_and_pet_are_normalised_by_their_own_rules(tmp_path):
    case = LoadSequencesd("image", sequences=("CT", "PET"))(ct_and_pet(tmp_path, resampled=True))
    assert list(case["modality"].items()) == [("CT", "ct"), ("PET", "pet")]
    raw = case["image"].numpy().copy()
    ct, pet = NormalizeIntensityByModalityd("image")(case)["image"].numpy()
    np.testing.assert_allclose(ct, (raw[0].clip(-1000, 1000) - 65.1084213) / 178.0166321, atol=1e-4)
    np.testing.assert_allclose(pet, (raw[1] - raw[1].mean()) / raw[1].std(), atol=1e-4)
    fingerprint = {"percentile_00_5": -100, "percentile_99_5": 200, "mean": 40, "std": 50}
    case = LoadSequencesd("image", sequences=("PET", "CT"))(ct_and_pet(tmp_path, resampled=True))
    again, ct = NormalizeIntensityByModalityd("image", fingerprint=fingerprint)(case)["image"].numpy()
    np.testing.assert_array_equal(again, pet)
    np.testing.assert_allclose(ct, (raw[0].clip(-100, 200) - 40) / 50, atol=1e-4)


def test_a_modality_for_each_channel(tmp_path):
    case = {"image": {"CT": "a.nii.gz", "PET": "b.nii.gz"}, "case_id": "a", "modality": {"CT": "ct"}}
    with pytest.raises(InputError, match=r"case a: modality .*expected one for each of CT, PET, but PET is missing"):
        LoadSequencesd("image", sequences=("CT", "PET"))(case)
    with pytest.raises(InputError, match=r"case a: has the channels CT, PET, but the network has one, image"):
        LoadSequencesd("image", sequences=("image",))(case)
