"""The command on folders as nnU-Net and TotalSegmentator write them, with scores known beforehand."""

import csv
import json
import re
import sys
from functools import partial

import nibabel as nib
import numpy as np
import pytest
from command_lines import run_preloaded
from evaluated_cases import AFFINE, NAMES, REGIONS, write_evaluated
from paired_folders import NNUNET, predicted, reference, write_json, write_labels, write_masks, write_pair

from meddino_components.errors import InputError
from meddino_components.evaluation.folders.command import evaluate_folder

# liver: an island of 27 voxels and a hole of 8; spleen: one voxel too much
DICE = {"liver": 2 * 792 / (800 + 819), "spleen": 2 * 131 / (131 + 132)}


def scores(folder):
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return {(row["case"], row["organ"]): row for row in csv.DictReader(file)}


def document(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_nnunets_folders_as_typed(tmp_path):
    predictions, references = write_pair(tmp_path)
    command = ["-m", "meddino_components", "evaluate_folder", predictions, references]
    done = run_preloaded(sys.executable, *command, "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"wrote {tmp_path / 'out' / 'report.html'}"
    rows = scores(tmp_path / "out")
    assert set(rows) == {(case, organ) for case in "ab" for organ in DICE}
    for (_, organ), row in rows.items():
        assert float(row["dice"]) == pytest.approx(DICE[organ], abs=1e-6)
    assert float(rows["a", "spleen"]["reference_ml"]) == pytest.approx(131 * 0.02)
    found = document(tmp_path / "out")
    assert found["mean_dice"] == pytest.approx(np.mean(list(DICE.values())), abs=1e-7)
    assert found["settings"]["predictions"] == str(predictions)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "model SHA-256" not in page
    assert (tmp_path / "out" / "comparisons" / "a.png").stat().st_size > 5000


def test_a_structure_that_the_reference_lacks_by_each_rule(tmp_path):
    predictions, references = write_pair(tmp_path)
    write_labels(references / "b.nii.gz", reference() * (reference() == 1))
    spleen = {}
    for rule in ("leave_out", "nnunet", "brats"):
        assert evaluate_folder(
            str(predictions), str(references), str(tmp_path / rule), absent=rule, metrics=["dice", "iou"]
        ) == {"ok": 2, "failed": 0}
        organ = document(tmp_path / rule)["organs"]["spleen"]
        spleen[rule] = organ["n"], organ["dice"]["mean"]
    assert spleen["leave_out"] == (1, pytest.approx(DICE["spleen"]))
    assert spleen["nnunet"] == spleen["brats"] == (2, pytest.approx(DICE["spleen"] / 2))
    iou = float(scores(tmp_path / "brats")["a", "liver"]["iou"])
    assert iou == pytest.approx(792 / (800 + 819 - 792), abs=1e-6)


def test_totalsegmentators_numbers_against_masks(tmp_path):
    found = np.zeros_like(predicted())
    found[predicted() == 1], found[predicted() == 2], found[0, 0, 0] = 5, 1, 2
    write_labels(tmp_path / "predictions" / "s1.nii.gz", found)
    write_masks(tmp_path / "references" / "s1" / "segmentations", reference(), {1: "liver", 2: "spleen", 3: "tumour"})
    folders = [str(tmp_path / name) for name in ("predictions", "references", "out")]
    with pytest.warns(UserWarning, match="not scored, as the references lack them: kidney_right, kidney_left"):
        assert evaluate_folder(*folders, prediction_labels="totalsegmentator")["failed"] == 0
    rows = scores(tmp_path / "out")
    assert {organ: float(row["dice"]) for (_, organ), row in rows.items()} == pytest.approx(DICE, abs=1e-6)
    assert document(tmp_path / "out")["settings"]["structures_only_in_predictions"].startswith(
        "115 structures: kidney_right"
    )


def test_masks_on_both_sides_and_one_that_nobody_drew(tmp_path):
    for case in "ab":
        write_masks(tmp_path / "p" / case, predicted(), {1: "liver", 2: "spleen"})
        write_masks(tmp_path / "r" / case, reference(), {1: "liver", 2: "spleen"} if case == "a" else {1: "liver"})
    evaluate_folder(str(tmp_path / "p"), str(tmp_path / "r"), str(tmp_path / "out"), metrics=["dice"])
    assert set(scores(tmp_path / "out")) == {("a", "liver"), ("a", "spleen"), ("b", "liver")}
    organs = document(tmp_path / "out")["organs"]
    assert [organs[name]["n_annotated"] for name in ("liver", "spleen")] == [2, 1]


def test_our_own_regions_against_label_maps(tmp_path):
    voxels = predicted() + (predicted() == 2)
    write_evaluated(tmp_path / "p", ["a"], labels=voxels, regions=REGIONS)
    write_labels(tmp_path / "r" / "a.nii.gz", reference() + (reference() == 2))
    folders = [str(tmp_path / name) for name in "pr"]
    evaluate_folder(*folders, str(tmp_path / "out"), reference_labels=folders[0], metrics=["dice"])
    rows = scores(tmp_path / "out")
    assert [organ for _, organ in rows] == list(REGIONS.names)
    inside = [np.isin(array, REGIONS.members[0]) for array in (voxels, reference() + (reference() == 2))]
    expected = 2 * np.logical_and(*inside).sum() / sum(map(np.sum, inside))
    assert float(rows["a", "whole tumour"]["dice"]) == pytest.approx(expected, abs=1e-6)


def test_ignored_voxels_count_neither_for_nor_against(tmp_path):
    content = NNUNET | {"labels": NNUNET["labels"] | {"ignore": 3}}
    predictions, references = write_pair(tmp_path, labels=content)
    wrong = (predicted() != reference()) & (reference() == 0)
    write_labels(references / "a.nii.gz", np.where(wrong, 3, reference()))
    evaluate_folder(str(predictions), str(references), str(tmp_path / "out"), metrics=["dice"])
    rows = scores(tmp_path / "out")
    assert float(rows["a", "spleen"]["dice"]) == 1
    assert float(rows["a", "liver"]["dice"]) == pytest.approx(2 * 792 / (800 + 792), abs=1e-6)
    assert float(rows["b", "spleen"]["dice"]) == pytest.approx(DICE["spleen"], abs=1e-6)


def test_scans_are_drawn_and_change_no_score(tmp_path):
    predictions, references = write_pair(tmp_path)
    rng = np.random.default_rng(0)
    for case in "ab":
        path = tmp_path / "imagesTr" / f"{case}_0000.nii.gz"
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(rng.normal(0, 100, reference().shape).astype(np.int16), AFFINE), path)
    folders = str(predictions), str(references)
    evaluate_folder(*folders, str(tmp_path / "plain"), metrics=["dice"])
    evaluate_folder(*folders, str(tmp_path / "drawn"), metrics=["dice"], scans=str(tmp_path / "imagesTr"))
    assert scores(tmp_path / "plain") == scores(tmp_path / "drawn")
    plain, drawn = (tmp_path / name / "comparisons" / "a.png" for name in ("plain", "drawn"))
    assert drawn.stat().st_size > 1.2 * plain.stat().st_size


def test_a_case_that_cannot_be_scored_fails_alone_and_the_command_says_so(tmp_path):
    predictions, references = write_pair(tmp_path)
    write_labels(predictions / "b.nii.gz", predicted()[:-1])
    command = ["-m", "meddino_components", "evaluate_folder", predictions, references, "--output_dir", tmp_path / "out"]
    done = run_preloaded(sys.executable, *command)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith("report.html; 1 case failed")
    assert re.search(r"b +failed .* shape \(23, 20, 12\), but .* expected the same grid", done.stdout)
    assert {case for case, _ in scores(tmp_path / "out")} == {"a"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["dic"]}, "--metrics names 'dic'; expected some of dice, .* Did you mean 'dice'"),
        ({"absent": "nnUNet"}, r"--absent is 'nnUNet'; expected one of leave_out, nnunet, brats\. Did you mean nnunet"),
        (
            {"prediction_labels": {"liver": 1}},
            "none of 2 cases could be scored; a: .* contains label 2; --prediction_labels names 1 liver",
        ),
    ],
)
def test_wrong_options(tmp_path, options, message):
    predictions, references = write_pair(tmp_path)
    with pytest.raises(InputError, match=message):
        evaluate_folder(str(predictions), str(references), str(tmp_path / "out"), **options)


def test_cases_that_only_one_folder_has_are_named(tmp_path):
    predictions, references = write_pair(tmp_path, "abc")
    (predictions / "b.nii.gz").unlink()
    folders = str(predictions), str(references), str(tmp_path / "out")
    with pytest.warns(UserWarning, match="cases without a prediction, left out: b"):
        assert evaluate_folder(*folders, common_only=True, metrics=["dice"])["ok"] == 2
    assert document(tmp_path / "out")["settings"]["cases_without_prediction"] == "1 case: b"
    assert "1 case: b" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_results_go_to_a_folder_of_their_own(tmp_path):
    folders = [str(folder) for folder in write_pair(tmp_path)]
    for output in folders:
        with pytest.raises(InputError, match="holds label maps to compare; give an output_dir of its own"):
            evaluate_folder(*folders, output)


def test_labels_that_nothing_names(tmp_path):
    predictions, references = write_pair(tmp_path)
    for folder in (predictions, references.parent):
        (folder / "dataset.json").unlink()
    run = partial(evaluate_folder, str(predictions), str(references), str(tmp_path / "out"), metrics=["dice"])
    with pytest.raises(InputError, match=r"predictions: nothing names the labels, as there is no dataset\.json. State"):
        run()
    # numbers are not taken to mean the same in both folders
    write_json(predictions / "dataset.json", NNUNET)
    with pytest.raises(InputError, match=f"labelsTr: nothing .* or by --reference_labels {predictions} if the"):
        run()
    assert run(reference_labels=str(predictions)) == {"ok": 2, "failed": 0}
    assert document(tmp_path / "out")["organs"].keys() == set(NAMES[1:])


def test_a_users_file_is_never_replaced(tmp_path):
    predictions, references = write_pair(tmp_path)
    own = tmp_path / "out" / "metrics.csv"
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics\.csv"):
        evaluate_folder(str(predictions), str(references), str(own.parent), overwrite=True)
    assert own.read_text(encoding="utf-8") == "mine"
