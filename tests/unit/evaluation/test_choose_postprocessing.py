"""The command on predictions made by hand, for which it is known what helps."""

import csv
import json

import pytest
import torch
from evaluated_cases import NAMES, predicted, reference, write_evaluated, write_references

from meddino_components.checkpoints import WeightsRecord, read_record, sha256_of, write_weights
from meddino_components.errors import InputError
from meddino_components.evaluation.choose_postprocessing import Trial, choose, choose_postprocessing
from meddino_components.inference import FillHoles, LargestComponent, SmallestSize

LARGEST, HOLES, SMALL = (LargestComponent(),), (FillHoles(),), (SmallestSize(volume_ml=0.1),)
CHOSEN = {
    "liver": [{"step": "largest_component", "connectivity": 3}, {"step": "fill_holes", "connectivity": 1}],
    "spleen": [{"step": "smallest_size", "volume_ml": 0.1, "connectivity": 3}],
}


@pytest.fixture
def folders(tmp_path):
    """Two folds of two cases, and their data set."""
    write_evaluated(tmp_path / "folds" / "fold_0", ["a", "b"])
    write_evaluated(tmp_path / "folds" / "fold_1", ["c", "d"])
    write_references(tmp_path / "data", "abcd")
    return tmp_path


def run(root, *folders, **options):
    folders = folders or [str(root / "folds")]
    return choose_postprocessing(*folders, dataset_dir=str(root / "data"), output_dir=str(root / "out"), **options)


def weights(root, labels=NAMES):
    record = WeightsRecord(labels=dict(enumerate(labels)), channels=("image",))
    write_weights({"weight": torch.arange(3.0)}, root / "model.pt", record=record)
    return root / "model.pt"


def test_each_organ_keeps_what_helps_it(folders):
    shown = run(folders)
    overlay = json.loads((folders / "out" / "postprocessing.json").read_text(encoding="utf-8"))
    room = "meddino_components.inference"
    assert overlay == {
        "postprocess": {
            "liver": [
                {"_target_": f"{room}.LargestComponent", "connectivity": 3},
                {"_target_": f"{room}.FillHoles", "connectivity": 1},
            ],
            "spleen": [{"_target_": f"{room}.SmallestSize", "volume_ml": 0.1, "connectivity": 3}],
        }
    }
    liver, spleen = shown.splitlines()[1:3]
    expected = 2 * (800 - 8) / (800 + 800 + 27 - 8)
    assert liver.split() == ["liver", "4", f"{expected:.4f}", "1.0000", "largest_component", "+", "fill_holes"]
    assert spleen.split()[1:] == ["4", f"{2 * 131 / 263:.4f}", "1.0000", "smallest_size", "0.1", "ml"]


def test_the_table_lists_all_that_was_tried(folders):
    run(folders, smallest_ml=[0.1])
    with (folders / "out" / "postprocessing.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5
    kept = {row["organ"]: row["steps"] for row in rows if row["kept"] == "yes"}
    assert kept == {"liver": "largest_component + fill_holes", "spleen": "smallest_size 0.1 ml"}
    alone = next(row for row in rows if row["organ"] == "liver" and row["steps"] == "largest_component")
    assert float(alone["dice_after"]) == pytest.approx(2 * 792 / (800 + 792), abs=1e-6)
    assert {row["cases"] for row in rows} == {"4"}


def test_nothing_is_kept_below_the_margin(folders):
    assert "-" in run(folders, margin=0.1)
    overlay = json.loads((folders / "out" / "postprocessing.json").read_text(encoding="utf-8"))
    assert overlay == {"postprocess": {}}
    with pytest.raises(InputError, match="margin is -1; expected a number of at least 0"):
        run(folders, margin=-1)


def test_what_helps_one_case_and_harms_more_is_not_kept(tmp_path):
    expected = reference()
    write_references(tmp_path / "data", "ab", expected)
    write_evaluated(tmp_path / "folds" / "x", ["a"], labels=predicted())
    two_parts = expected.copy()
    two_parts[7, :, :] = 0  # a liver in two parts: the largest component would lose half of it
    write_evaluated(tmp_path / "folds" / "y", ["b"], labels=two_parts)
    run(tmp_path)
    found = json.loads((tmp_path / "out" / "postprocessing.json").read_text(encoding="utf-8"))["postprocess"]
    assert [step["_target_"].rpartition(".")[2] for step in found["liver"]] != ["LargestComponent"]


def test_more_steps_have_to_be_better_by_the_margin():
    def trial(steps, after):
        return Trial("liver", steps, 3, 0.8, after)

    both = LARGEST + HOLES
    assert choose([trial(LARGEST, 0.9), trial(both, 0.905)], 0.01) == {"liver": LARGEST}
    assert choose([trial(LARGEST, 0.9), trial(both, 0.95)], 0.01) == {"liver": both}
    assert choose([trial(LARGEST, 0.9), trial(SMALL, 0.905)], 0.01) == {"liver": SMALL}
    assert choose([trial(LARGEST, 0.9), trial(SMALL, 0.9)], 0.01) == {"liver": LARGEST}
    assert choose([trial(LARGEST, 0.81)], 0.02) == {}
    assert choose([trial(LARGEST, float("nan"))], 0.0) == {}


def test_weights_with_the_choice_in_their_record(folders):
    model = weights(folders)
    before = sha256_of(model)
    shown = run(folders, model=str(model), write=str(folders / "new.pt"))
    assert read_record(folders / "new.pt").postprocessing == CHOSEN
    assert shown.endswith(sha256_of(folders / "new.pt"))
    assert (sha256_of(model), read_record(model).postprocessing) == (before, None)
    with pytest.raises(InputError, match=r"new\.pt: exists and is never replaced"):
        run(folders, model=str(model), write=str(folders / "new.pt"))


def test_weights_that_do_not_fit(folders):
    with pytest.raises(InputError, match=r"--write .*new\.pt needs --model"):
        run(folders, write=str(folders / "new.pt"))
    model = weights(folders, ("background", "kidney"))
    with pytest.raises(InputError, match=r"has the labels background, kidney, the predictions have background, liver"):
        run(folders, model=str(model), write=str(folders / "new.pt"))
    assert not (folders / "out").exists()


def test_cases_that_the_data_set_lacks(folders):
    write_evaluated(folders / "more", ["z"])
    with pytest.raises(InputError, match=r"data: has no label for case z of .*more; give the data set that was"):
        run(folders, str(folders / "folds"), str(folders / "more"))
