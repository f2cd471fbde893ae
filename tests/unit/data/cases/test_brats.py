"""Cases of several sequences are found by the names of their files, in a folder or in a list."""

import pytest
from brats_volumes import write_brats, write_brats_case
from set_folders import brats_set, touch, write_list

from meddino_components.data import read_datalist
from meddino_components.data.cases.brats import BRATS
from meddino_components.errors import InputError

NAMES = ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000"]


def test_labelled_cases_and_those_without_a_label(tmp_path):
    root = brats_set(brats_set(tmp_path, NAMES), ["BraTS-GLI-00003-000"], label=False)
    with pytest.warns(UserWarning, match="1 case without a label: BraTS-GLI-00003-000"):
        cases = BRATS.read(root, "training", None)
    assert sorted(case["case_id"] for case in cases) == NAMES
    assert sorted(cases[0]["image"]) == ["flair", "t1", "t1ce", "t2"]
    assert [case["case_id"] for case in BRATS.read(root, "test", "mr")] == ["BraTS-GLI-00003-000"]


def test_recognised_by_two_sequences_of_one_name(tmp_path):
    assert not BRATS.recognises(tmp_path, None)
    touch(tmp_path / "a" / "a_t1.nii.gz")
    touch(tmp_path / "a" / "a_seg.nii.gz")
    assert not BRATS.recognises(tmp_path, None)
    touch(tmp_path / "a" / "a_t2.nii.gz")
    assert BRATS.recognises(tmp_path, None)
    # dataset.json comes first, unless this layout is stated
    assert not BRATS.recognises(tmp_path, {"training": []})
    assert BRATS.recognises(tmp_path / "list.json", None)


def test_what_it_cannot_be(tmp_path):
    with pytest.raises(InputError, match="modality is 'ct'; the layout 'brats' consists of MRI sequences"):
        BRATS.read(tmp_path, "training", "ct")
    with pytest.raises(InputError, match="a folder has no official validation list"):
        BRATS.read(brats_set(tmp_path, NAMES), "official_validation", None)


def test_sections_and_folds(tmp_path):
    write_brats(tmp_path, n_cases=4)
    write_brats_case(tmp_path / "unlabelled", "new", label=False)
    with pytest.warns(UserWarning, match="1 case without a label: new"):
        training = read_datalist(tmp_path, "brats", "training", n_folds=2)
    with pytest.warns(UserWarning, match="without a label"):
        validation = read_datalist(tmp_path, "brats", "validation", n_folds=2)
    ids = {case["case_id"] for case in training} | {case["case_id"] for case in validation}
    assert len(training) == len(validation) == 2
    assert len(ids) == 4
    assert [case["case_id"] for case in read_datalist(tmp_path, "brats", "test")] == ["new"]
    with pytest.raises(InputError, match="a folder has no official validation list"):
        read_datalist(tmp_path, "brats", "official_validation")
    with pytest.raises(InputError, match="of MRI sequences"):
        read_datalist(tmp_path, "brats", modality="ct")
    with pytest.raises(InputError, match="no case left"):
        read_datalist(tmp_path, "brats", exclude=[case["case_id"] for case in training + validation])


def test_folds_that_a_data_list_states(tmp_path):
    entries = []
    for number in range(3):
        paths = {name: path.name for name, path in write_brats_case(tmp_path, f"c{number}", seed=number).items()}
        entries.append({"label": paths.pop("seg"), "image": list(paths.values()), "fold": number % 2})
    source = write_list(tmp_path, training=entries, validation=entries[:1])
    assert [c["case_id"] for c in read_datalist(source, "brats", "validation", fold=1, n_folds=2)] == ["c1"]
    assert [c["case_id"] for c in read_datalist(source, "brats", "training", fold=1, n_folds=2)] == ["c0", "c2"]
    assert [c["case_id"] for c in read_datalist(source, "brats", "official_validation")] == ["c0"]
    del entries[1]["label"]
    with pytest.raises(InputError, match="case c1 has no label"):
        read_datalist(write_list(tmp_path, training=entries), "brats")
    entries[1]["label"] = "lost.nii.gz"
    with pytest.raises(InputError, match=r"list\.json: 1 listed file cannot be found: .*lost\.nii\.gz"):
        read_datalist(write_list(tmp_path, training=entries), "brats")
