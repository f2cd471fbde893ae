"""Folds keep patients together, or are those of nnU-Net; whatever a split is, no patient is on both sides unasked."""

import json
import warnings

import pytest
from set_folders import amos_set, brats_set, nnunet_set

from meddino_components.data import read_datalist
from meddino_components.data.cases.case_splits import portable_split
from meddino_components.data.cases.patients import patient_of
from meddino_components.errors import InputError

NAMES = [f"BraTS-GLI-{patient:05d}-{time}" for patient in range(10) for time in (100, 101)]


def ids(cases):
    return [case["case_id"] for case in cases]


def both(*arguments, **settings):
    return [ids(read_datalist(*arguments, section=side, **settings)) for side in ("training", "validation")]


def test_time_points_of_a_patient_are_on_one_side(tmp_path):
    brats_set(tmp_path, NAMES)
    tested = []
    for fold in range(5):
        training, validation = ([patient_of({"case_id": i}) for i in side] for side in both(tmp_path, fold=fold))
        assert not set(training) & set(validation)
        assert len(validation) == 4  # two patients with two scans each
        tested += validation
    assert len(set(tested)) == 10


def test_patients_that_a_data_list_states(tmp_path):
    entries = [
        {"image": [f"c{k}_{s}.nii.gz" for s in ("t1", "t1ce", "t2", "flair")], "label": f"c{k}_seg.nii.gz"}
        for k in range(6)
    ]
    for entry in entries:
        for name in (*entry["image"], entry["label"]):
            (tmp_path / name).touch()
    entries = [entry | {"patient_id": k // 2} for k, entry in enumerate(entries)]
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    for fold in range(3):
        _, validation = both(tmp_path / "list.json", fold=fold, n_folds=3)
        assert validation in (["c0", "c1"], ["c2", "c3"], ["c4", "c5"])
    with pytest.raises(InputError, match="6 cases of 3 patients cannot be split into 4 folds"):
        both(tmp_path / "list.json", n_folds=4)
    # folds that the list states
    stated = [entry | {"fold": k % 2} for k, entry in enumerate(entries)]
    (tmp_path / "list.json").write_text(json.dumps({"training": stated}))
    with pytest.raises(
        InputError, match=r"3 patients in both training and validation of fold 0 by list, the first one 0 \("
    ):
        both(tmp_path / "list.json", n_folds=2)
    assert both(tmp_path / "list.json", n_folds=2, allow_same_patient=True)[1] == ["c0", "c2", "c4"]
    (tmp_path / "list.json").write_text(json.dumps({"training": [*stated[:5], entries[5]]}))
    with pytest.raises(InputError, match="5 of 6 cases of the data list have a 'fold', but c5 has none"):
        both(tmp_path / "list.json", n_folds=2)


def test_patients_of_dataset_json(tmp_path):
    amos_set(tmp_path, range(1, 7))
    content = json.loads((tmp_path / "dataset.json").read_text())
    for k, entry in enumerate(content["training"]):
        entry["patient"] = f"p{k // 2}"
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    found = [both(tmp_path, fold=fold, n_folds=3)[1] for fold in range(3)]
    assert sorted(found) == [["amos_0001", "amos_0002"], ["amos_0003", "amos_0004"], ["amos_0005", "amos_0006"]]


def test_the_split_of_nnunet_joins_both_lists_of_amos(tmp_path):
    """The published split: KFold(5, shuffle=True, random_state=12345) over the sorted ids of 360 labelled cases."""
    sklearn = pytest.importorskip("sklearn.model_selection")
    numbers = [*range(1, 201), *range(501, 541)]
    validation = [*range(201, 301), *range(541, 561)]
    amos_set(tmp_path, numbers, validation)
    names = sorted(f"amos_{n:04d}" for n in (*numbers, *validation))
    assert len(names) == 360
    folds = list(sklearn.KFold(5, shuffle=True, random_state=12345).split(names))
    for fold in (0, 3):
        training, tested = both(tmp_path, fold=fold, split="nnunet")
        assert (training, tested) == tuple([names[k] for k in side] for side in folds[fold])
    assert (len(training), len(tested)) == (288, 72)
    ct = [name for name in names if int(name[-4:]) < 500]
    folds = list(sklearn.KFold(5, shuffle=True, random_state=12345).split(ct))
    assert both(tmp_path, split="nnunet", modality="ct")[1] == [ct[k] for k in folds[0][1]]
    # the other rules leave the data set's own validation list alone
    assert list(map(len, both(tmp_path))) == [192, 48]


def splits(folder, train, val, n=5):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "splits_final.json").write_text(json.dumps([{"train": train, "val": val}] * n))
    return folder


def test_both_lists_joined_and_the_split_that_the_data_set_defines(tmp_path):
    amos_set(tmp_path, [1, 2, 3, 501], [4, 5, 502])
    listed = [f"amos_{n:04d}" for n in (1, 2, 3, 501)], [f"amos_{n:04d}" for n in (4, 5, 502)]
    everything = sorted([*listed[0], *listed[1]])
    assert both(tmp_path, split="official") == list(listed)
    assert both(tmp_path, split="official", modality="ct")[1] == ["amos_0004", "amos_0005"]
    tested = [name for fold in range(3) for name in both(tmp_path, split="joined", n_folds=3, fold=fold)[1]]
    assert sorted(tested) == everything
    for split in ("joined", "official"):
        assert ids(read_datalist(tmp_path, section="all_labelled", split=split)) == everything
        assert ids(read_datalist(tmp_path, section="official_validation", split=split)) == listed[1]
        assert portable_split(split) == split
    with pytest.raises(InputError, match="fold is 1; split is 'official', which has fold 0 alone"):
        both(tmp_path, split="official", fold=1)
    with pytest.raises(InputError, match="no case is left in the training list, or none in the validation list"):
        both(tmp_path, split="official", exclude=listed[1])


def test_a_data_set_without_a_validation_list_has_no_official_split(tmp_path):
    nnunet_set(tmp_path)
    with pytest.raises(InputError, match="layout 'nnunet_raw' has no validation list of its own"):
        both(tmp_path, split="official")


def test_a_patient_in_both_lists(tmp_path):
    amos_set(tmp_path, [1, 2], [4])
    content = json.loads((tmp_path / "dataset.json").read_text())
    content["validation"][0]["patient"] = "amos_0001"
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="in both training and validation of fold 0 by official, the first one amos_0"):
        both(tmp_path, split="official")


def test_the_file_of_nnunet_beside_dataset_json_or_by_path(tmp_path):
    raw = nnunet_set(tmp_path / "raw" / "Dataset001_X", ("a", "b", "c", "d", "e"))
    before = both(raw, n_folds=5)
    preprocessed = splits(tmp_path / "preprocessed" / "Dataset001_X", ["a", "b", "c"], ["d", "e"])
    assert both(raw) == before
    for path in (preprocessed, preprocessed / "splits_final.json", str(preprocessed)):
        assert both(raw, split=path) == [["a", "b", "c"], ["d", "e"]]
    splits(raw, ["e", "d"], ["a", "b", "c"])
    assert both(raw) == both(raw, split="splits_final.json") == [["d", "e"], ["a", "b", "c"]]
    assert both(raw, split="patients") == before
    with pytest.raises(InputError, match=r"holds 5 splits, n_folds is 3. Set n_folds to 5"):
        both(raw, n_folds=3)
    splits(raw, ["e"], ["a"])
    with pytest.warns(UserWarning, match="split 0 leaves out 3 cases, the first b"):
        assert both(raw) == [["e"], ["a"]]
    assert portable_split(preprocessed) == "splits_final.json"
    assert portable_split("nnunet") == "nnunet"
    assert portable_split(None) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected nnU-Net's list of"),
        ("[1]", "expected nnU-Net's list of"),
        ('[{"train": ["a"]}]', "expected nnU-Net's list of"),
        ('[{"train": ["a", "b"], "val": ["b"]}]', "has b in 'train' and in 'val'"),
        ('[{"train": ["a"], "val": ["z"]}]', "names 1 case that the data set does not have, the first z"),
        ('[{"train": ["a", "b"], "val": []}]', "has no case of this data set in training, or none in validation"),
    ],
)
def test_files_that_do_not_fit(tmp_path, text, said):
    raw = nnunet_set(tmp_path, ("a", "b"))
    (raw / "splits_final.json").write_text(text)
    with pytest.raises(InputError, match=rf"splits_final.json: .*{said}"):
        both(raw, n_folds=1)


def test_a_patient_on_both_sides_of_a_file(tmp_path):
    names = ["BraTS-MET-00001-000", "BraTS-MET-00001-001", "BraTS-MET-00002-000"]
    raw = splits(nnunet_set(tmp_path, names), names[::2], names[1:2])
    with pytest.raises(
        InputError,
        match=r"1 patient in .* BraTS-MET-00001 \(BraTS-MET-00001-000, BraTS-MET-00001-001\).* allow_same_patient",
    ):
        both(raw)
    assert both(raw, allow_same_patient=True) == [names[::2], names[1:2]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"split": "/no/such/place"}, "/no/such/place: no such file. Set split to the path of nnU-Net's"),
        ({"split": "list"}, "no case of the data list has an item 'fold'"),
        ({"fold": 2, "n_folds": 2}, r"fold is 2; expected 0\.\.1"),
        ({"fold": -1}, "fold is -1"),
        ({"n_folds": 3, "split": "nnunet"}, "2 cases cannot be split into 3 folds"),
        ({"split": "splits_final.json"}, "splits_final.json: no such file"),
    ],
)
def test_refused(tmp_path, settings, said):
    with pytest.raises(InputError, match=said):
        both(nnunet_set(tmp_path), **{"n_folds": 2, **settings})


def test_what_was_left_out_on_purpose_is_no_stranger_in_the_file(tmp_path):
    amos_set(tmp_path, [1, 2, 501], [3])
    splits(tmp_path, ["amos_0001", "amos_0501"], ["amos_0002", "amos_0003"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert both(tmp_path, modality="ct", exclude=["amos_0002"]) == [["amos_0001"], ["amos_0003"]]
