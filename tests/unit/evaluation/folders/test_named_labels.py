"""What numbers stand for, by whatever says so."""

import json
import re

import pytest
from evaluated_cases import NAMES, REGIONS, write_evaluated
from paired_folders import NNUNET, write_json, write_pair

from meddino_components.errors import InputError
from meddino_components.evaluation.folders.named_labels import labels_beside, stated_labels

NAMED = {1: "liver", 2: "spleen"}


def test_nothing_stated():
    assert stated_labels(None, "--x") is None


@pytest.mark.parametrize(
    "stated", [{"liver": 1, "spleen": 2}, {"background": 0, "spleen": 2, "liver": 1}, ["background", "liver", "spleen"]]
)
def test_typed_names(stated):
    assert dict(stated_labels(stated, "--x").names) == NAMED


@pytest.mark.parametrize(
    "content",
    [
        NNUNET,
        {"labels": {"0": "background", "1": "liver", "2": "spleen"}},
        {"liver": 1, "spleen": 2},
        ["background", "liver", "spleen"],
    ],
)
def test_json_files(tmp_path, content):
    path = write_json(tmp_path / "names.json", content)
    found = stated_labels(str(path), "--x")
    assert (dict(found.names), found.source) == (NAMED, str(path))


def test_a_layouts_own_names():
    found = stated_labels("totalsegmentator", "--x")
    assert (found.names[1], found.names[117], len(found.names)) == ("spleen", "costal_cartilages", 117)


def test_ignored_voxels_are_no_structure(tmp_path):
    content = NNUNET | {"labels": NNUNET["labels"] | {"ignore": 3}}
    found = stated_labels(str(write_json(tmp_path / "dataset.json", content)), "--x")
    assert (dict(found.names), list(found.ignored)) == (NAMED, [3])


def test_nnunets_regions(tmp_path):
    content = {"labels": {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}, "regions_class_order": [1, 2]}
    found = stated_labels(str(write_json(tmp_path / "dataset.json", content)), "--x")
    assert (found.regions.names, found.regions.members, list(found.ignored)) == (("whole", "core"), ((1, 2), (2,)), [3])


def test_beside_the_files_or_one_folder_above(tmp_path):
    predictions, references = write_pair(tmp_path)
    for folder, source in ((predictions, predictions), (references, references.parent)):
        found = labels_beside(folder)
        assert (dict(found.names), found.source) == (NAMED, str(source / "dataset.json"))
        assert stated_labels(str(folder), "--x") == found
    (references.parent / "dataset.json").unlink()
    assert labels_beside(references) is None


def test_a_dataset_json_without_names(tmp_path):
    listed = [{"image": "./imagesTr/amos_0001.nii.gz", "label": "./labelsTr/amos_0001.nii.gz"}]
    (tmp_path / "labelsTr").mkdir()
    write_json(tmp_path / "dataset.json", {"training": listed, "validation": []})
    found = labels_beside(tmp_path / "labelsTr")
    assert (found.names[10], found.source) == ("pancreas", f"the layout amos of {tmp_path / 'dataset.json'}")
    write_json(tmp_path / "dataset.json", {"training": []})
    assert labels_beside(tmp_path / "labelsTr") is None


def test_records_of_our_own_cases(tmp_path):
    write_evaluated(tmp_path / "classes", ["a", "b"])
    found = labels_beside(tmp_path / "classes")
    assert (dict(found.names), found.regions) == (dict(enumerate(NAMES[1:], start=1)), None)
    write_evaluated(tmp_path / "regions", ["a"], regions=REGIONS)
    assert labels_beside(tmp_path / "regions").regions.members == REGIONS.members
    record = tmp_path / "classes" / "b.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    content["settings"]["label_names"][2] = "pancreas"
    record.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.json: has other labels than .*a\.json; expected a folder of one network"):
        labels_beside(tmp_path / "classes")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("lost.json", "--x lost.json: no such file or layout; expected a dataset.json"),
        ("totalsegmentor", "did you mean 'totalsegmentator'? expected a dataset.json"),
        ({"liver": "one"}, "--x: 'liver' has the number 'one'; expected names with numbers from 0 to 255"),
        ({"liver": 1.7}, "'liver' has the number 1.7;"),
        ({"liver": True}, "'liver' has the number True;"),
        ({"liver": 300}, "'liver' has the number 300;"),
        ({"liver": 1, "spleen": 1}, "'liver' and 'spleen' are both 1; correct one of them"),
        ({"right kidney": 1, "Right_Kidney": 2}, "'right kidney' and 'Right_Kidney' are the same name"),
        ({"1": "liver", "2": "liver"}, "'liver' and 'liver' are the same name"),
        ({}, "the labels are {}; expected a dataset.json"),
        (["liver", "spleen"], "the labels are ['liver', 'spleen']; expected the background first"),
        (["background"], "expected at least one structure with a number above 0"),
        ({"liver": 1, "ignore": 0}, "expected at least one structure with a number above 0"),
    ],
)
def test_what_names_nothing(stated, message):
    with pytest.raises(InputError, match=re.escape(message)):
        stated_labels(stated, "--x")


def test_a_file_that_is_no_json(tmp_path):
    path = tmp_path / "names.json"
    path.write_text("liver", encoding="utf-8")
    with pytest.raises(InputError, match=r"names\.json: cannot be read as JSON"):
        stated_labels(str(path), "--x")
