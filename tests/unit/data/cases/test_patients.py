"""Who a case is of, by its name and by what a list states."""

import pytest

from meddino_components.data.cases.patients import patient_of, shared_patients
from meddino_components.errors import InputError


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("BraTS-GLI-00005-100", "BraTS-GLI-00005"),
        ("BraTS-GLI-00005-101", "BraTS-GLI-00005"),
        ("BraTS-MET-00012-000", "BraTS-MET-00012"),
        ("BraTS-PED-00003-001", "BraTS-PED-00003"),
        ("BraTS-SSA-00041-000", "BraTS-SSA-00041"),
        ("BraTS-MEN-RT-0042-1", "BraTS-MEN-RT-0042"),
        ("BraTS_GLI_00005_100", "BraTS_GLI_00005"),
        ("site_a_BraTS-GLI-00005-100", "BraTS-GLI-00005"),
        ("BraTS-GLI-00005-100_bet", "BraTS-GLI-00005"),
        ("BraTS19_TCIA01_131_1", "BraTS19_TCIA01_131"),
        ("BraTS19_2013_10_1", "BraTS19_2013_10"),
        ("Brats18_CBICA_AAB_1", "Brats18_CBICA_AAB"),
        ("UCSF-PDGM-0429_FU003d", "UCSF-PDGM-0429"),
        ("UCSF-PDGM-0004_nifti", "UCSF-PDGM-0004"),
        ("sub-07_ses-02", "sub-07"),
        ("100118_time2", "100118"),
        ("PatientID_0003_Timepoint_1", "PatientID_0003"),
        ("12_midRT", "12"),
    ],
)
def test_names_of_several_scans(name, patient):
    assert patient_of({"case_id": name}) == patient


@pytest.mark.parametrize(
    "name",
    [
        "amos_0001",
        "amos_0600",
        "BraTS20_Training_001",
        "BraTS2021_00000",
        "BraTS-GoAT-00012",
        "BRATS_001",
        "liver_10",
        "case_00001",
        "s0011",
        "UCSF-PDGM-0004",
        "volume-12",
        "hippocampus_394",
    ],
)
def test_names_of_patients_stay_whole(name):
    assert patient_of({"case_id": name}) == name


def test_what_a_list_states_comes_first():
    assert patient_of({"case_id": "BraTS-GLI-00005-100", "patient": "x"}) == "x"
    assert patient_of({"case_id": "a", "patient_id": 7}) == "7"
    assert patient_of({"case_id": "a", "patient": None}) == "a"
    with pytest.raises(InputError, match=r"case a: patient is '1' and patient_id is '2'\. Remove one"):
        patient_of({"case_id": "a", "patient": 1, "patient_id": 2})
    first, second = [{"case_id": "BraTS-GLI-00005-100"}], [{"case_id": "BraTS-GLI-00005-101"}, {"case_id": "b"}]
    assert shared_patients(first, second) == ["BraTS-GLI-00005"]
