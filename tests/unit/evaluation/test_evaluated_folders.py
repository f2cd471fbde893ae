"""Folders of evaluations: which cases and labels are found, and what is refused."""

import json

import pytest
from evaluated_cases import NAMES, REGIONS, write_evaluated

from meddino_components.errors import InputError
from meddino_components.evaluation.evaluated_folders import evaluated_cases


def changed(path, **changes):
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def test_cases_of_folds_are_found_below_a_folder(tmp_path):
    write_evaluated(tmp_path / "fold_0" / "evaluation", ["a", "b"])
    write_evaluated(tmp_path / "fold_1" / "evaluation", ["c"])
    (tmp_path / "metrics.csv").write_text("pooled", encoding="utf-8")
    found = evaluated_cases([tmp_path])
    assert sorted(found.predictions) == ["a", "b", "c"]
    assert found.predictions["c"] == tmp_path / "fold_1" / "evaluation" / "c.nii.gz"
    assert (found.label_names, found.regions) == (list(NAMES), None)
    assert found.labels == dict(enumerate(NAMES))


def test_regions_are_those_of_the_predictions(tmp_path):
    write_evaluated(tmp_path, ["a"], regions=REGIONS)
    found = evaluated_cases([tmp_path])
    assert (found.regions.names, found.regions.members) == (REGIONS.names, REGIONS.members)
    assert found.labels == {0: "background", **dict(REGIONS.label_names)}


def test_what_is_no_evaluation(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "lost"):
        with pytest.raises(InputError, match=r"no evaluated case .* give a folder that evaluate\.json wrote"):
            evaluated_cases([folder])
    with pytest.raises(InputError, match="no folder is given"):
        evaluated_cases([])


def test_a_case_in_two_folders(tmp_path):
    for name in "xy":
        write_evaluated(tmp_path / name, ["a"])
    with pytest.raises(InputError, match=f"case a is in {tmp_path / 'x'} and in {tmp_path / 'y'}; expected each case"):
        evaluated_cases([tmp_path / "x", tmp_path / "y"])


def test_other_labels(tmp_path):
    write_evaluated(tmp_path / "x", ["a"])
    write_evaluated(tmp_path / "y", ["b"], regions=REGIONS)
    with pytest.raises(InputError, match=r"b\.json: has other labels than .*a\.json: background, non-enhancing"):
        evaluated_cases([tmp_path])


def test_a_prediction_that_was_edited_or_is_lost(tmp_path):
    write_evaluated(tmp_path, ["a"])
    (tmp_path / "a.nii.gz").write_bytes(b"edited")
    with pytest.raises(InputError, match=r"a\.nii\.gz: is missing or was edited"):
        evaluated_cases([tmp_path])
    (tmp_path / "a.nii.gz").unlink()
    with pytest.raises(InputError, match=r"a\.nii\.gz: is missing or was edited"):
        evaluated_cases([tmp_path])


def test_predictions_that_were_post_processed(tmp_path):
    write_evaluated(tmp_path, ["a"])
    settings = {"label_names": list(NAMES), "postprocess": {"liver": [{"step": "fill_holes", "connectivity": 1}]}}
    changed(tmp_path / "a.json", settings=settings)
    with pytest.raises(
        InputError, match=r"a\.nii\.gz: was post-processed already; evaluate again with --postprocess F"
    ):
        evaluated_cases([tmp_path])
