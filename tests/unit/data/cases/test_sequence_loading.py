"""Sequences become the channels of one volume, in one order and on one grid."""

import nibabel as nib
import numpy as np
import pytest
from brats_volumes import write_brats_case, write_dicom_case

from meddino_components.data import LoadSequencesd, list_sequence_cases
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
        LoadSequencesd("image", sequences=SEQUENCES)(list_sequence_cases(tmp_path)[0])
    with pytest.raises(InputError, match="expected a file for each of t1, t1ce, t2, flair"):
        LoadSequencesd("image", sequences=SEQUENCES)({"image": [str(paths["t1"])], "case_id": "a"})


def test_one_file_stands_for_its_case(tmp_path):
    """As MONAI Label gives it: the others are found beside it by their names, in the bundle's order."""
    write_brats_case(tmp_path, "b", seed=1)
    paths = write_brats_case(tmp_path, "a")
    load = LoadSequencesd("image", sequences=SEQUENCES)
    whole = load(list_sequence_cases(tmp_path)[0])["image"]
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
        LoadSequencesd("image", sequences=SEQUENCES)(list_sequence_cases(tmp_path)[0])


def test_tilted_dicom_sequences_are_resampled_where_asked(tmp_path):
    write_dicom_case(tmp_path / "p1", tilt=1.0)
    (case,) = list_sequence_cases(tmp_path)
    with pytest.raises(InputError, match="gantry tilt"):
        LoadSequencesd("image", sequences=SEQUENCES)(case)
    image = LoadSequencesd("image", sequences=SEQUENCES, gantry_tilt="resample")(case)["image"]
    assert image.meta["dicom_resampled"]
