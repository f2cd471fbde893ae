import itertools
import json

import pytest

from meddino_components.data import AMOS_LABELS, read_datalist
from meddino_components.errors import InputError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def amos(root, numbers=(1, 2, 3, 4, 5, 6, 501, 502, 600), **content):
    names = [f"amos_{n:04d}.nii.gz" for n in numbers]
    for name in names:
        touch(root / "imagesTr" / name)
        touch(root / "labelsTr" / name)
    for folder in ("imagesVa", "labelsVa", "imagesTs"):
        touch(root / folder / "amos_0008.nii.gz")
    entries = [{"image": f"./imagesTr/{n}", "label": f"./labelsTr/{n}"} for n in names]
    listing = {
        "labels": {str(k): v for k, v in AMOS_LABELS.items()},
        "training": entries,
        "validation": ["./imagesVa/amos_0008.nii.gz"],
        "test": [{"image": "./imagesTs/amos_0008.nii.gz"}],
    }
    (root / "dataset.json").write_text(json.dumps(listing | content))
    return root


def ids(cases):
    return [c["case_id"] for c in cases]


def test_amos_cases_and_modality(tmp_path):
    cases = read_datalist(amos(tmp_path), "amos", "all_labelled")
    assert {c["case_id"]: c["modality"] for c in cases}["amos_0006"] == "ct"
    assert ids(c for c in cases if c["modality"] == "mr") == ["amos_0501", "amos_0502", "amos_0600"]
    assert cases[0]["image"] == str(tmp_path / "imagesTr" / "amos_0001.nii.gz")
    assert len(read_datalist(tmp_path, "amos", "all_labelled", modality="ct")) == 6


def test_official_validation_and_test_stay_separate(tmp_path):
    amos(tmp_path)
    (case,) = read_datalist(tmp_path, "amos", "official_validation")
    assert case["label"] == str(tmp_path / "labelsVa" / "amos_0008.nii.gz")
    (case,) = read_datalist(tmp_path, "amos", "test")
    assert sorted(case) == ["case_id", "image", "modality"]
    assert "amos_0008" not in ids(read_datalist(tmp_path, "amos", "all_labelled"))


def test_folds_partition_the_cases_whatever_the_order(tmp_path):
    folds = [ids(read_datalist(amos(tmp_path), "amos", "validation", fold=f, seed=3)) for f in range(5)]
    assert sorted(itertools.chain(*folds)) == ids(read_datalist(tmp_path, "amos", "all_labelled"))
    assert sorted(map(len, folds)) == [1, 2, 2, 2, 2]
    for fold, validation in enumerate(folds):
        assert not set(validation) & set(ids(read_datalist(tmp_path, "amos", "training", fold=fold, seed=3)))
    amos(tmp_path, (600, 502, 501, 6, 5, 4, 3, 2, 1))
    assert ids(read_datalist(tmp_path, "amos", "validation", fold=1, seed=3)) == folds[1]
    assert [ids(read_datalist(tmp_path, "amos", "validation", fold=f, seed=4)) for f in range(5)] != folds


def test_exclude(tmp_path):
    cases = read_datalist(amos(tmp_path), "amos", "all_labelled", exclude=["amos_0002", "amos_0600"])
    assert ids(cases) == [f"amos_{n:04d}" for n in (1, 3, 4, 5, 6, 501, 502)]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"training": []}, {}, "no case left"),
        ({"training": ["./imagesTr/amos_0001.nii.gz"] * 2}, {}, r"repeated case ids.*amos_0001"),
        ({"training": [3]}, {}, "entry 3"),
        ({"training": {"a": 1}}, {}, "expected a list"),
        ({"training": ["./imagesTr/amos_scan.nii.gz"]}, {}, "no number at its end"),
        ({}, {"fold": 5}, r"fold is 5; expected 0\.\.4"),
        ({}, {"n_folds": 20}, "cannot be split"),
        ({}, {"modality": "pet"}, "'ct' or 'mr'"),
        ({}, {"section": "train"}, "section is 'train'"),
        ({}, {"layout": "kits"}, "layout is 'kits'"),
    ],
)
def test_refused(tmp_path, change, arguments, message):
    amos(tmp_path, **change)
    with pytest.raises(InputError, match=message):
        read_datalist(**({"dataset_dir": tmp_path, "layout": "amos"} | arguments))


def test_missing_files_are_counted_and_the_first_named(tmp_path):
    amos(tmp_path)
    for n in (1, 2, 3, 4, 5, 6):
        (tmp_path / "labelsTr" / f"amos_{n:04d}.nii.gz").unlink()
    with pytest.raises(InputError, match=r"6 listed files cannot be found: .*amos_0005.nii.gz and 1 more"):
        read_datalist(tmp_path, "amos", "all_labelled")
