"""Cases for inference have the channels of the network, found by the data set, by a list or by names."""

import json

import pytest
from decathlon import decathlon_set
from set_folders import nnunet_set, touch

from meddino_components.data import list_channel_cases
from meddino_components.errors import InputError

CHANNELS = ("CT", "PET")
MODALITY = {"CT": "ct", "PET": "pet"}


def listed(source, channels=CHANNELS, channel_modality=MODALITY, **stated):
    return list_channel_cases(source, channels=channels, channel_modality=channel_modality, **stated)


def test_one_channel_is_a_scan_in_a_file(tmp_path):
    path = touch(tmp_path / "a.nii.gz")
    assert listed(path, ["image"], modality="ct") == [{"image": str(path), "case_id": "a", "modality": "ct"}]
    with pytest.raises(InputError, match="but the network has one channel"):
        listed(path, ["image"], modality=MODALITY)


def test_files_beside_each_other_by_the_word_for_their_channel(tmp_path):
    ct, pet = touch(tmp_path / "a_CT.nii.gz"), touch(tmp_path / "a_pet.nii.gz")
    touch(tmp_path / "b_CT.nii.gz")
    first, second = listed(tmp_path)
    assert first == {"image": {"CT": str(ct), "PET": str(pet)}, "case_id": "a", "modality": MODALITY}
    assert "PET missing; found b_CT.nii.gz" in second["problem"]
    assert listed([pet, ct]) == [first]
    touch(tmp_path / "c.nii.gz")
    with pytest.raises(InputError, match=r"c\.nii\.gz: the name identifies no sequence"):
        listed([tmp_path / "c.nii.gz"])


def test_sequences_with_the_names_of_the_data_set(tmp_path):
    for name in ("t2w", "ADC"):
        touch(tmp_path / f"a_{name}.nii.gz")
    (case,) = listed(tmp_path, ("T2", "ADC"), "mr")
    assert case["image"] == {"T2": str(tmp_path / "a_t2w.nii.gz"), "ADC": str(tmp_path / "a_ADC.nii.gz")}
    assert case["modality"] == "mr"


def test_data_sets_name_the_channels_themselves(tmp_path):
    root = nnunet_set(tmp_path / "n", names=("a",), channels={"0": "CT", "1": "PET"})
    for path in ("imagesTr/a_0001", "imagesTs/b_0000", "imagesTs/b_0001"):
        touch(root / f"{path}.nii.gz")
    assert [case["case_id"] for case in listed(root)] == ["a", "b"]
    (case,) = listed(root / "imagesTs")
    assert case["image"] == {name: str(root / f"imagesTs/b_000{n}.nii.gz") for n, name in enumerate(CHANNELS)}
    assert "label" not in listed(root / "imagesTr")[0]
    with pytest.raises(InputError, match="labelsTr: contains no image of the data set"):
        listed(root / "labelsTr")
    task = decathlon_set(tmp_path, "Task05_Prostate")
    (case,) = listed(task / "imagesTs", ("T2", "ADC"), "mr")
    assert (case["channels"], case["case_id"]) == (["T2", "ADC"], "prostate_003")


def test_a_data_list(tmp_path):
    entry = {"image": {"pet": "x.nii.gz", "CT": "y.nii.gz"}, "case_id": "a"}
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"test": [entry]}))
    (case,) = listed(path)
    assert case["image"] == {"CT": str(tmp_path / "y.nii.gz"), "PET": str(tmp_path / "x.nii.gz")}


def test_the_modality_has_to_be_stated(tmp_path):
    touch(tmp_path / "a_CT.nii.gz")
    with pytest.raises(InputError, match="no modality is stated for the channels CT, PET"):
        listed(tmp_path, channel_modality=None)
