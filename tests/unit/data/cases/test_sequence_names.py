"""A name says which sequence a file shows."""

import pytest

from meddino_components.data.cases.sequence_names import sequence_of


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("BraTS20_Training_001_t1.nii.gz", ("BraTS20_Training_001", "t1")),
        ("BraTS20_Training_001_t1ce.nii", ("BraTS20_Training_001", "t1ce")),
        ("BraTS2021_00000_flair.nii.gz", ("BraTS2021_00000", "flair")),
        ("BraTS2021_00000_seg.nii.gz", ("BraTS2021_00000", "seg")),
        ("BraTS-GLI-00000-000-t1n.nii.gz", ("BraTS-GLI-00000-000", "t1")),
        ("BraTS-GLI-00000-000-t1c.nii.gz", ("BraTS-GLI-00000-000", "t1ce")),
        ("BraTS-GLI-00000-000-t2w.nii.gz", ("BraTS-GLI-00000-000", "t2")),
        ("BraTS-GLI-00000-000-t2f.nii.gz", ("BraTS-GLI-00000-000", "flair")),
        ("Brats17_2013_10_1_T2.NII.GZ", ("Brats17_2013_10_1", "t2")),
        ("patient_t1c_bet.nii.gz", ("patient_bet", "t1ce")),
        # many words name a sequence: the last one says what the file is
        ("AX_T1_POST_t1c.nii.gz", ("AX_T1_POST", "t1ce")),
        ("t1.nii.gz", ("", "t1")),
        ("VSD.Brain.XX.O.MR_T1c.54514.mha", ("VSD.Brain.XX.O.MR.54514", "t1ce")),
        # nothing, or more than one word, to go by
        ("patient_0001.nii.gz", ("patient_0001", None)),
        ("t1_to_t2_registered.nii.gz", ("t1_to_t2_registered", None)),
        ("patient_mt1.nii.gz", ("patient_mt1", None)),
    ],
)
def test_what_a_name_says(name, found):
    assert sequence_of(name) == found
