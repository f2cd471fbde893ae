"""OpenKBP: the organs that are there are those that were annotated, and folders are the published split."""

import pytest
from set_folders import openkbp_set

from meddino_components.data import class_names, read_datalist
from meddino_components.data.cases.case_files import case_files
from meddino_components.data.cases.openkbp import OPENKBP_LABELS
from meddino_components.errors import InputError


def ids(cases):
    return [case["case_id"] for case in cases]


@pytest.mark.parametrize("validation", ["validation-pats", "valid-pats"])
def test_lists_are_folders(tmp_path, validation):
    root = openkbp_set(tmp_path, validation)
    assert ids(read_datalist(root, section="all_labelled")) == ["pt_1", "pt_2"]
    assert ids(read_datalist(root, section="official_validation")) == ["pt_201"]
    assert ids(read_datalist(root, section="test")) == ["pt_241"]
    sides = [ids(read_datalist(root, section=side, split="official")) for side in ("training", "validation")]
    assert sides == [["pt_1", "pt_2"], ["pt_201"]]
    assert read_datalist(root / "provided-data", section="test") == read_datalist(root, section="test")


def test_organs_that_are_there_were_annotated(tmp_path):
    first, second = read_datalist(openkbp_set(tmp_path), section="all_labelled")
    folder = tmp_path / "provided-data" / "train-pats" / "pt_2"
    assert first["annotated"] == list(OPENKBP_LABELS.values())[1:]
    assert second == {
        "image": str(folder / "ct.csv"),
        "label": {"brainstem": str(folder / "Brainstem.csv"), "mandible": str(folder / "Mandible.csv")},
        "annotated": ["brainstem", "mandible"],
        "case_id": "pt_2",
        "modality": "ct",
    }
    assert set(case_files(second)) == {
        str(folder / f"{name}.csv") for name in ("ct", "Brainstem", "Mandible", "voxel_dimensions")
    }
    assert class_names(dataset_dir=tmp_path) == list(OPENKBP_LABELS.values())


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(InputError, match="has no folder train-pats with pt_1 and other patients, as OpenKBP has"):
        read_datalist(tmp_path, "openkbp")
    folder = openkbp_set(tmp_path) / "provided-data" / "train-pats" / "pt_2"
    for name in ("Brainstem", "Mandible"):
        (folder / f"{name}.csv").unlink()
    with pytest.raises(InputError, match=r"pt_2: has none of the organs Brainstem\.csv, SpinalCord\.csv"):
        read_datalist(tmp_path)
    (folder / "voxel_dimensions.csv").unlink()
    with pytest.raises(InputError, match=r"pt_2/voxel_dimensions\.csv: no such file"):
        read_datalist(tmp_path)
