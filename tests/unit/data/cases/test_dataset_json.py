"""What dataset.json says of cases, and what is wrong with it."""

import json

import pytest
from set_folders import amos_set, touch, write_json

from meddino_components.data import label_names, read_datalist
from meddino_components.data.cases.dataset_json import listed_cases, stated_modality
from meddino_components.errors import InputError


def test_an_entry_that_is_a_path_has_its_label_in_the_sister_folder(tmp_path):
    write_json(tmp_path, {"training": ["./imagesTr/images_1.nii.gz"], "test": ["./imagesTs/b.nii"]})
    assert listed_cases(tmp_path, "training") == [
        {
            "image": str(tmp_path / "imagesTr" / "images_1.nii.gz"),
            "label": str(tmp_path / "labelsTr" / "images_1.nii.gz"),
            "case_id": "images_1",
        }
    ]
    assert listed_cases(tmp_path, "test") == [{"image": str(tmp_path / "imagesTs" / "b.nii"), "case_id": "b"}]


@pytest.mark.parametrize(
    ("channels", "modality", "found"),
    [({"0": "CT"}, None, "ct"), ({"0": "ct"}, "ct", "ct"), ({"0": "T2"}, "mr", "mr"), ({"0": "HU"}, "ct", "ct")],
)
def test_the_modality_by_the_name_of_the_channel(tmp_path, channels, modality, found):
    assert stated_modality(tmp_path, channels, modality) == found


@pytest.mark.parametrize("channels", [None, {}, ["CT"], {"0": "T1", "1": "T2"}])
def test_a_data_set_has_one_channel(tmp_path, channels):
    with pytest.raises(InputError, match=r"dataset\.json: channels are .*; expected exactly one"):
        stated_modality(tmp_path, channels, "mr")


def test_msd_and_cases_that_share_a_file_name(tmp_path):
    for name in ("one", "two"):
        touch(tmp_path / name / "imaging.nii.gz")
        touch(tmp_path / name / "label.nii.gz")
    entries = [{"image": f"./{n}/imaging.nii.gz", "label": f"./{n}/label.nii.gz"} for n in ("one", "two")]
    (tmp_path / "dataset.json").write_text(
        json.dumps({"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}, "training": entries})
    )
    assert [case["case_id"] for case in read_datalist(tmp_path, "msd", "all_labelled")] == ["one", "two"]
    assert label_names(tmp_path, "msd") == {0: "background", 1: "liver"}


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_dataset_json_missing_or_broken(tmp_path, text):
    if text is not None:
        (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=r"dataset\.json"):
        read_datalist(tmp_path, "amos")


def test_a_label_of_two_images_is_refused(tmp_path):
    amos_set(tmp_path)
    text = (tmp_path / "dataset.json").read_text()
    (tmp_path / "dataset.json").write_text(text.replace("labelsTr/amos_0002", "labelsTr/amos_0001"))
    with pytest.raises(InputError, match=r"labelsTr/amos_0001\.nii\.gz is the label of more than one image"):
        read_datalist(tmp_path, "amos", "all_labelled")


def test_entries_say_which_classes_were_annotated(tmp_path):
    entry = {"image": "a.nii", "label": "a_label.nii", "annotated": ["liver"], "label_values": {"4": 255}}
    write_json(tmp_path, {"training": [entry], "test": [entry]})
    (case,) = listed_cases(tmp_path, "training")
    assert (case["annotated"], case["label_values"]) == (["liver"], {"4": 255})
    assert "annotated" not in listed_cases(tmp_path, "test")[0]
