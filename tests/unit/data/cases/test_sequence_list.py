"""Data lists of several sequences: files by name, or by a mapping."""

import pytest
from brain_cases import brain_cases
from brats_volumes import write_brats_case
from set_folders import write_list

from meddino_components.data.cases.sequence_list import read_sequence_datalist
from meddino_components.data.cases.sequence_names import SEQUENCES
from meddino_components.errors import InputError


def entry(case_id, **more):
    return {"image": [f"{case_id}_{name}.nii.gz" for name in SEQUENCES], **more}


def test_a_section_or_all_of_them_with_fold_and_patient(tmp_path):
    training = [entry("a", fold=1, patient="p"), entry("b", label="b_seg.nii.gz")]
    path = write_list(tmp_path, training=training, test=[entry("c")], other=[entry("d")])
    first, second = read_sequence_datalist(path, "training")
    assert (first["case_id"], first["fold"], first["patient"]) == ("a", 1, "p")
    assert (second["case_id"], second["label"]) == ("b", str(tmp_path / "b_seg.nii.gz"))
    assert "fold" not in second
    assert [case["case_id"] for case in read_sequence_datalist(path, None)] == ["a", "b", "c"]
    with pytest.raises(InputError, match=r"list\.json: contains no list validation with entries"):
        read_sequence_datalist(path, "validation")
    with pytest.raises(InputError, match=r"list\.json: case a has no label\. Add one"):
        read_sequence_datalist(path, "training", labelled=True)


def test_a_list_that_is_not_there_or_no_json(tmp_path):
    with pytest.raises(InputError, match=r"list\.json: no such file"):
        read_sequence_datalist(tmp_path / "list.json", None)
    (tmp_path / "list.json").write_text("{")
    with pytest.raises(InputError, match=r"list\.json: cannot be read as JSON"):
        read_sequence_datalist(tmp_path / "list.json", None)


def test_data_lists_by_name_or_by_mapping(tmp_path):
    paths = {name: str(path.relative_to(tmp_path)) for name, path in write_brats_case(tmp_path / "d", "a").items()}
    label = paths.pop("seg")
    mapping = {"FLAIR": paths["flair"], "t1n": paths["t1"], "T1c": paths["t1ce"], "t2": paths["t2"]}
    source = write_list(
        tmp_path,
        training=[{"image": list(paths.values())[::-1], "label": label}, {"image": mapping, "case_id": "b"}],
    )
    first, second = brain_cases(source)
    assert (first["case_id"], second["case_id"]) == ("a", "b")
    assert first["image"] == second["image"] == {name: str(tmp_path / paths[name]) for name in SEQUENCES}


@pytest.mark.parametrize(
    ("lists", "named"),
    [
        ({}, "contains no list"),
        ({"training": ["a"]}, "entry 'a'"),
        ({"training": [{"image": "a_t1.nii.gz"}]}, "expected {'image': "),
        ({"training": [{"image": ["a_0001.nii.gz"]}]}, "the name identifies no sequence"),
        ({"training": [{"image": {"t1": "a.nii.gz"}, "case_id": "x"}] * 2}, "repeated case ids"),
    ],
)
def test_data_lists_of_another_form(tmp_path, lists, named):
    with pytest.raises(InputError, match=named.replace("{", r"\{")):
        brain_cases(write_list(tmp_path, **lists))


def test_entries_say_which_classes_were_annotated(tmp_path):
    training = [entry("a", label="a_seg.nii.gz", annotated=["oedema"]), entry("b", label="b_seg.nii.gz")]
    first, second = read_sequence_datalist(write_list(tmp_path, training=training), "training")
    assert first["annotated"] == ["oedema"]
    assert "annotated" not in second
