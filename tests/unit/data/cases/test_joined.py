"""Data sets with different labels in one list."""

import json

import pytest
from set_folders import amos_set, msd_set, nnunet_set, touch

from meddino_components.data import class_names, find_layout, label_names, read_datalist
from meddino_components.data.cases.patients import patient_of
from meddino_components.errors import InputError


def write(folder, *data_sets, **more):
    path = folder / "joined.json"
    path.write_text(json.dumps({"data_sets": list(data_sets), **more}), encoding="utf-8")
    return path


@pytest.fixture
def liver(tmp_path):
    """liver 1, cancer 2."""
    return msd_set(tmp_path / "Task03_Liver")


@pytest.fixture
def organs(tmp_path):
    """spleen 1, Liver 2, kidney 3."""
    labels = {"background": 0, "milza": 1, "Liver": 2, "kidney": 3}
    return nnunet_set(tmp_path / "Dataset001", ["case_a", "case_b"], labels=labels)


def read(path, section="all_labelled", **more):
    return {case["case_id"]: case for case in read_datalist(path, None, section, **more)}


def test_labels_are_joined_by_name_and_each_case_says_what_it_has(tmp_path, liver, organs):
    path = write(tmp_path, {"dataset_dir": str(liver)}, {"dataset_dir": "Dataset001", "names": {"milza": "spleen"}})
    assert find_layout(path) == "joined"
    assert label_names(path) == {0: "background", 1: "liver", 2: "cancer", 3: "spleen", 4: "kidney"}
    cases = read(path)
    assert sorted(cases) == [
        "Dataset001_case_a",
        "Dataset001_case_b",
        *(f"Task03_Liver_liver_{n}" for n in (0, 1, 10)),
    ]
    first, second = cases["Task03_Liver_liver_0"], cases["Dataset001_case_a"]
    assert (first["annotated"], second["annotated"]) == (["liver", "cancer"], ["liver", "spleen", "kidney"])
    assert first["image"] == str(liver / "imagesTr" / "liver_0.nii.gz")
    assert second["image"] == str(organs / "imagesTr" / "case_a_0000.nii.gz")
    # numbers that the data set has no name for must not become labels of the other one
    assert first["label_values"] == {"3": 254, "4": 254}
    assert second["label_values"] == {"1": 3, "2": 1, "3": 4, "4": 254}
    assert {case["modality"] for case in cases.values()} == {"ct"}


def test_names_may_be_joined_dropped_and_ordered(tmp_path, liver, organs):
    members = (
        {"dataset_dir": str(liver), "names": {"cancer": "liver"}},
        {"dataset_dir": str(organs), "names": {"milza": "background"}, "name": "organs"},
    )
    path = write(tmp_path, *members, label_names=["background", "kidney", "liver"])
    assert class_names(dataset_dir=path) == ["background", "kidney", "liver"]
    cases = read(path)
    first, second = cases["Task03_Liver_liver_0"], cases["organs_case_a"]
    assert first["label_values"] == {"1": 2}
    assert first["annotated"] == ["liver"]
    assert second["label_values"] == {"1": 0, "3": 1}
    assert "annotated" not in second


def test_what_a_case_says_itself_is_kept(tmp_path):
    entries = [{"image": "a.nii", "label": "a_label.nii", "annotated": ["cancer"], "label_values": {"7": 2, "9": 255}}]
    for name in ("a.nii", "a_label.nii"):
        touch(tmp_path / "x" / name)
    root = msd_set(tmp_path / "x", [], training=entries)
    path = write(tmp_path, {"dataset_dir": str(root)}, label_names=["background", "cancer", "liver"])
    (case,) = read(path).values()
    assert case["annotated"] == ["cancer"]
    assert case["label_values"] == {"1": 2, "2": 1, "7": 1, "9": 255}
    # cancer and the rest of the liver make one label, of which only a part was annotated
    joined = write(tmp_path, {"dataset_dir": str(root), "names": {"cancer": "liver"}})
    (case,) = read(joined).values()
    assert case["annotated"] == []


def test_files_of_classes_get_the_new_names(tmp_path, monkeypatch, liver):
    from meddino_components.data.cases import joined as module

    layout = module.Layout(
        name="files",
        sign="",
        recognises=lambda root, content: False,
        read=lambda *_: [{"image": "i", "label": {"a": "a.nii", "b": "b.nii"}, "case_id": "c", "modality": "ct"}],
        labels=lambda root: {0: "background", 1: "a", 2: "b"},
    )
    found = module.joined_layout(lambda root, stated: layout)
    path = write(tmp_path, {"dataset_dir": str(liver), "names": {"a": "liver", "b": "background"}})
    (case,) = found.read(path, "all_labelled", None)
    assert case["label"] == {"liver": "a.nii"}
    assert "label_values" not in case
    path = write(tmp_path, {"dataset_dir": str(liver), "names": {"a": "b"}})
    with pytest.raises(InputError, match="two files become 'b'"):
        found.read(path, "all_labelled", None)


def test_splits_go_across_and_keep_patients_together(tmp_path):
    first, second = (nnunet_set(tmp_path / name, [f"p{n}" for n in range(6)]) for name in ("one", "two"))
    path = write(tmp_path, {"dataset_dir": str(first)}, {"dataset_dir": str(second)})
    seen = []
    for fold in range(3):
        train, val = (read(path, section, fold=fold, n_folds=3) for section in ("training", "validation"))
        assert len(val) == 4
        assert not {patient_of(case) for case in train.values()} & {patient_of(case) for case in val.values()}
        seen += list(val)
    assert sorted(seen) == sorted(read(path))


def test_the_modality_of_each(tmp_path):
    mixed, other = amos_set(tmp_path / "amos", [1, 501]), nnunet_set(tmp_path / "t2", channels={"0": "T2"})
    entries = {"dataset_dir": str(mixed), "modality": "ct"}, {"dataset_dir": str(other), "modality": "mr"}
    found = {name: case["modality"] for name, case in read(write(tmp_path, *entries)).items()}
    assert found == {"amos_amos_0001": "ct", "t2_case_a": "mr", "t2_case_b": "mr"}
    assert label_names(tmp_path / "joined.json")[8] == "aorta"


@pytest.mark.parametrize(
    ("data_sets", "message"),
    [
        ([], r"joined\.json: 'data_sets' is \[\]; expected a list"),
        ([{"layout": "msd"}], r"joined\.json: a data set has no 'dataset_dir'"),
        ([{"dataset_dir": "Task03_Liver", "nmaes": {}}], r"the key 'nmaes'.* Did you mean 'names'\?"),
        (
            [{"dataset_dir": "Task03_Liver", "names": {"lung": "x"}}],
            r"translates 'lung', which .*Task03_Liver does not",
        ),
        ([{"dataset_dir": "Task03_Liver", "names": ["x"]}], r"'names' of .* expected \{'name there': 'name here'\}"),
        ([{"dataset_dir": "Task03_Liver"}] * 2, r"two are named 'Task03_Liver'.* Add 'name'"),
        ([{"dataset_dir": "nowhere"}], r"nowhere/dataset\.json: no such file"),
        ([{"dataset_dir": "Task03_Liver", "layout": "amos"}], r"dataset_layout is 'amos', but the folder has .* 'msd'"),
        ([{"dataset_dir": "Task03_Liver", "modality": "pet?"}], r"joined\.json: modality"),
    ],
)
def test_lists_of_another_form_are_refused(tmp_path, liver, data_sets, message):
    with pytest.raises(InputError, match=message):
        read_datalist(write(tmp_path, *data_sets), None, "all_labelled")


def test_label_names_have_to_hold_all(tmp_path, liver):
    path = write(tmp_path, {"dataset_dir": str(liver)}, label_names=["background", "liver"])
    with pytest.raises(InputError, match=r"'label_names' is .*, without 'cancer'; .* translate it by 'names'"):
        label_names(path)


def test_a_list_is_recognised_by_its_key(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('{"training": []}', encoding="utf-8")
    assert find_layout(path) == "brats"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"list\.json: cannot be read as JSON"):
        read_datalist(path, None, "all_labelled")
