"""Who is trained and who is tested: patients kept together, every case tested once."""

import json

import numpy as np
import pytest
from PIL import Image
from volume_files import ct_voxels, save_nifti

from meddino_components.errors import InputError
from meddino_components.probing import segmentation_folds, segmentation_label_names
from meddino_components.probing.segmentation.folds import Fold

CASE = {"image": "a", "label": "b", "case_id": "x", "modality": "ct"}


@pytest.fixture
def msd(tmp_path):
    """Task in the layout of the Medical Segmentation Decathlon."""
    entries = []
    for k in range(7):
        for kind in ("images", "labels"):
            path = tmp_path / f"{kind}Tr" / f"liver_{k}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            voxels = ct_voxels(k)
            save_nifti(path, voxels if kind == "images" else (voxels > 0).astype(np.uint8))
        entries.append({"image": f"./imagesTr/liver_{k}.nii.gz", "label": f"./labelsTr/liver_{k}.nii.gz"})
    listing = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}, "training": entries, "test": []}
    (tmp_path / "dataset.json").write_text(json.dumps(listing), encoding="utf-8")
    return tmp_path


def ids(cases):
    return [case["case_id"] for case in cases]


def test_every_case_is_tested_once_and_never_trained_on_then(msd):
    folds = segmentation_folds(dataset_dir=msd, layout="msd")
    assert [fold.name for fold in folds] == [f"fold {k}" for k in range(5)]
    assert sorted(case for fold in folds for case in ids(fold.test)) == [f"liver_{k}" for k in range(7)]
    for fold in folds:
        assert not set(ids(fold.train)) & set(ids(fold.test))
        assert len(fold.train) + len(fold.test) == 7
        assert fold.shared_patients() == []
    assert [ids(f.test) for f in segmentation_folds(dataset_dir=msd, folds=[3])] == [ids(folds[3].test)]
    others = segmentation_folds(dataset_dir=msd, seed=1)
    assert [ids(f.test) for f in others] != [ids(f.test) for f in folds]
    assert segmentation_label_names([], msd, "msd") == ["background", "liver"]


def test_pictures_of_a_patient_stay_on_one_side(tmp_path):
    rows = ["image,mask,patient"]
    for k in range(12):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / f"{k}.png")
        rows.append(f"{k}.png,{k}.png,p{k // 3}")
    (tmp_path / "t.csv").write_text("\n".join(rows), encoding="utf-8")
    options = {"table": "t.csv", "patient_column": "patient"}
    folds = segmentation_folds(dataset_dir=tmp_path, layout="picture_masks", layout_options=options, n_folds=4)
    for fold in folds:
        assert len(fold.test) == 3
        assert len({case["patient"] for case in fold.test}) == 1
        assert fold.shared_patients() == []
    with pytest.raises(InputError, match="4 patients cannot be split into 5 folds"):
        segmentation_folds(dataset_dir=tmp_path, layout="picture_masks", layout_options=options)
    with pytest.raises(InputError, match="do not fit layout 'picture_masks'"):
        segmentation_folds(dataset_dir=tmp_path, layout="picture_masks", layout_options={"file": "t.csv"})


def test_two_lists_are_one_fold_that_knows_its_shared_patients():
    (fold,) = segmentation_folds(
        train_data=[CASE | {"patient": "p"}], test_data=[CASE | {"case_id": "p", "image": "c"}]
    )
    assert fold.shared_patients() == ["p"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"case_id": "y"}, "1 image in both training and test, such as a"),
        ({"image": "c"}, "case_id x stands for a and for c"),
        ({"case_id": "y", "image": "c", "modality": None}, "has no modality"),
    ],
)
def test_cases_that_could_be_taken_for_each_other_are_refused(changes, message):
    other = {key: value for key, value in {**CASE, **changes}.items() if value is not None}
    with pytest.raises(InputError, match=message):
        segmentation_folds(train_data=[CASE], test_data=[other])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "expected either a data set, or both lists"),
        ({"dataset_dir": "d", "train_data": [{}]}, "expected either"),
        ({"train_data": [{}]}, "expected either"),
        ({"dataset_dir": "d", "folds": [5]}, "expected some of 0 to 4"),
        ({"dataset_dir": "d", "folds": []}, "expected some of 0 to 4"),
        ({"dataset_dir": "d", "folds": [0, 0]}, "each once"),
        ({"dataset_dir": "d", "layout": "coco"}, "layout is 'coco'"),
        ({"dataset_dir": "d", "layout": "brats"}, "several sequences"),
        ({"dataset_dir": "d", "layout_options": {"labels": 1}}, "has no option labels"),
    ],
)
def test_what_contradicts_itself_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        segmentation_folds(**changes)


def test_names_have_to_be_known(msd):
    assert segmentation_label_names(["background", "a"]) == ["background", "a"]
    with pytest.raises(InputError, match="label_names is empty"):
        segmentation_label_names([], msd, "picture_masks")
    content = json.loads((msd / "dataset.json").read_text(encoding="utf-8"))
    (msd / "dataset.json").write_text(json.dumps(content | {"labels": {"0": "background", "2": "x"}}), encoding="utf-8")
    with pytest.raises(InputError, match=r"numbers \[0, 2\]"):
        segmentation_label_names([], msd, "msd")


def test_cases_that_lack_annotations_are_refused():
    partial = {**CASE, "image": "c", "case_id": "y", "annotated": ["liver"]}
    with pytest.raises(InputError, match=r"case y: has classes or voxels .* which decoders of frozen"):
        Fold(name="fold 0", train=(CASE,), test=(partial,))
