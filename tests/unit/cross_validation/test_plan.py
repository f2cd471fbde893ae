from pathlib import Path

import pytest
from command_lines import AMOS

from meddino_components.cross_validation.plan import make_plan
from meddino_components.errors import InputError


def plan(dataset_dir, folder, **changed):
    given = {
        "bundle": str(AMOS),
        "folder": folder,
        "dataset_dir": str(dataset_dir),
        "n_folds": 3,
        "overlays": [],
        "evaluation_overlays": [],
        "settings": {"epochs": 4, "iterations_per_epoch": 5, "sw_overlap": 0.25},
    }
    return make_plan(**{**given, **changed})


def test_each_case_is_in_one_fold_and_each_fold_has_a_folder(phantoms, tmp_path):
    found = plan(phantoms, tmp_path)
    assert found.title == "Cross-validation of meddinov3_seg_amos, 3 folds"
    assert sorted(case["case_id"] for cases in found.cases for case in cases) == [f"amos_{n:04d}" for n in range(1, 6)]
    assert [fold.folder for fold in found.folds] == [tmp_path / f"fold_{number}" for number in range(3)]
    assert found.steps == 20
    assert [metric.name for metric in found.metrics] == ["dice", "surface_dice_1mm", "hd95_mm"]
    fold = found.folds[1]
    assert {"--fold=1", "--n_folds=3", "--epochs=4", f"--output_dir={tmp_path / 'fold_1'}"} <= set(fold.training)
    assert f"--model_path={tmp_path / 'fold_1' / 'model.pt'}" in fold.evaluation
    assert "--sw_overlap=0.25" in fold.evaluation
    assert not any(word.startswith("--epochs") for word in fold.evaluation)
    assert fold.directory == Path.cwd()


def test_overlays_by_name_and_by_path(phantoms, tmp_path):
    own = tmp_path / "own.json"
    own.write_text('{"batch_size": 3}', encoding="utf-8")
    found = plan(phantoms, tmp_path, overlays=["laptop", str(own)], settings={})
    assert found.steps == 900
    files = found.folds[0].training[found.folds[0].training.index("--config_file") + 1]
    assert [Path(file).name for file in eval(files)] == ["train.json", "laptop.json", "own.json"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_folds": 1}, "--folds is 1; expected at least 2"),
        ({"n_folds": 6}, "5 patients cannot be split into 6 folds"),
        ({"overlays": ["/no/such.json"]}, "/no/such.json: no such file"),
        ({"overlays": ["labtop"]}, "Did you mean laptop"),
        ({"settings": {"fold": 2}}, "cross_validate sets fold itself"),
        ({"bundle": "meddinov3_seg_amoss"}, "did you mean meddinov3_seg_amos"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(phantoms, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        plan(phantoms, tmp_path, **changed)
