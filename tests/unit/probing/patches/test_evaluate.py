"""Encoders against controls on labelled slices: rows, tables and pictures."""

import csv
import json

import pytest
import torch
from planted_slices import N_CLASSES, PATCH, planted_slices
from visible_files import visible

from meddino_components.embeddings import frozen_backbone, raw_pixels
from meddino_components.errors import InputError
from meddino_components.features import FeaturePictures, LabelledSlices
from meddino_components.networks import vit_backbone
from meddino_components.probing import (
    Bootstrap,
    GatedAttention,
    KNearestNeighbours,
    LogisticRegression,
    evaluate_patches,
)

NAMES = ["background", *(f"organ {k}" for k in range(1, N_CLASSES))]


def of_case(case_id, slices):
    return [{**one, "case_id": case_id} for one in slices]


def evaluate(tmp_path, encoders, controls, *, train=None, test=None, names=NAMES, n_pictures=0, **changes):
    slices = LabelledSlices(
        train=of_case("a", planted_slices(8)) if train is None else train,
        test=of_case("b", planted_slices(8, seed=1)) if test is None else test,
        label_names=names,
    )
    settings = {
        "slices": slices,
        "output_dir": tmp_path,
        "probes": [KNearestNeighbours(n_neighbours=5), LogisticRegression()],
        "bootstrap": Bootstrap(n_resamples=300),
        "pictures": FeaturePictures(n_pictures=n_pictures),
    }
    return evaluate_patches(encoders=encoders, controls=controls, **{**settings, **changes})


def network(name, seed=0):
    torch.manual_seed(seed)
    return frozen_backbone(name, vit_backbone("vit_tiny", depth=1))


def test_what_pixels_show_is_found_with_the_gain_over_a_blind_network(tmp_path):
    pixels, blind = raw_pixels(patch_size=PATCH), network("blind")
    rows = {(row.encoder, row.probe): row for row in evaluate(tmp_path, [pixels], [blind])}
    assert list(rows) == [(name, probe) for probe in ("knn", "logistic") for name in ("raw pixels", "blind")]
    seen, unseen = rows["raw pixels", "knn"], rows["blind", "knn"]
    score, gain = seen.scores["organ score"], seen.gains["blind"]
    assert seen.scores["AUC"].value > 0.99 > 0.9 > unseen.scores["AUC"].value
    assert score.value > 0.95
    assert gain.value == pytest.approx(score.value - unseen.scores["organ score"].value)
    assert gain.low <= gain.value <= gain.high
    assert not unseen.gains
    assert seen.more["patch_knn_organ_score"] == pytest.approx(score.value)


def test_tables_hold_what_is_returned(tmp_path):
    rows = evaluate(tmp_path / "new", [network("encoder")], [network("random weights", 1), raw_pixels()], n_pictures=2)
    written = json.loads((tmp_path / "new" / "patches.json").read_text(encoding="utf-8"))
    assert [row["encoder"] for row in written["rows"]] == ["encoder", "random weights", "raw pixels"] * 2
    assert written["within_one_patient"] is False
    first = written["rows"][0]
    assert first["scores"]["organ score"]["value"] == rows[0].scores["organ score"].value
    assert set(first["gain_over"]) == {"random weights", "raw pixels"}
    table = list(csv.DictReader((tmp_path / "new" / "patches.csv").open()))
    assert float(table[2]["organ_score"]) == pytest.approx(rows[2].scores["organ score"].value, rel=1e-5)
    assert [row["control"] for row in table] == ["0", "1", "1"] * 2
    lines = (tmp_path / "new" / "patches.md").read_text(encoding="utf-8").splitlines()
    assert "8 for training, 8 for the test in 8 slabs" in lines[0]
    assert lines[2].startswith(
        "| encoder | probe | organ score | balanced accuracy | AUC | organ score over random weights |"
    )
    assert f"| {rows[0].scores['organ score'].value:.3f} (" in lines[4]
    latex = (tmp_path / "new" / "patches.tex").read_text(encoding="utf-8")
    assert latex.count(r"\\") == 7
    assert r"\begin{tabular}{llccccc}" in latex
    for picture in ("patches.png", "feature_maps.png"):
        assert (tmp_path / "new" / picture).stat().st_size > 10_000


def test_brightness_of_slices_is_told_by_the_distance(tmp_path):
    """One organ in the slices that are brighter as a whole: the cosine of raw pixels does not see that."""
    generator = torch.Generator().manual_seed(0)

    def bright_or_dim(case_id):
        slices = []
        for number in range(12):
            label = torch.zeros(1, 64, 64, dtype=torch.uint8)
            label[:, :32], label[:, 32:, : 32 * (number % 2)] = 1, 2
            image = torch.full((1, 64, 64), 1.0 + number % 2) + 0.3 * torch.randn(1, 64, 64, generator=generator)
            slices.append({"image": image, "label": label, "unit": number, "case_id": case_id})
        return slices

    sides = {"train": bright_or_dim("a"), "test": bright_or_dim("b")}
    rows = evaluate(tmp_path, [raw_pixels(patch_size=PATCH)], [], names=NAMES[:3], **sides)
    assert rows[0].probe == "knn"
    assert rows[0].more["slice_cls_knn_auc"] == 1


def test_one_patient_on_both_sides_is_refused_or_marked(tmp_path):
    same = {"test": of_case("a", planted_slices(8, seed=1))}
    with pytest.raises(InputError, match="1 patient with slices in both training and test, such as a: "):
        evaluate(tmp_path, [raw_pixels(patch_size=PATCH)], [], **same)
    assert not visible(tmp_path)
    evaluate(tmp_path, [raw_pixels(patch_size=PATCH)], [], allow_same_patient=True, **same)
    assert "WITHIN ONE PATIENT" in (tmp_path / "patches.md").read_text(encoding="utf-8")


def test_patches_of_other_sizes_are_not_compared(tmp_path):
    with pytest.raises(InputError, match="of several sizes in pixels: raw pixels 16, fine 8"):
        evaluate(tmp_path, [raw_pixels(patch_size=PATCH)], [raw_pixels(patch_size=8, name="fine")])
    assert not visible(tmp_path)


def test_encoders_need_names_of_their_own(tmp_path):
    with pytest.raises(InputError, match="a name of its own for each"):
        evaluate(tmp_path, [raw_pixels(), raw_pixels()], [])


def test_probes_are_checked_before_anything_is_encoded(tmp_path):
    with pytest.raises(InputError, match="probes contains attention, which needs samples of several items"):
        evaluate(tmp_path, [network("encoder")], [], probes=[KNearestNeighbours(), GatedAttention()])
    with pytest.raises(InputError, match=r"probes is \[\]"):
        evaluate(tmp_path, [network("encoder")], [], probes=[])
    assert not visible(tmp_path)


def test_an_organ_of_one_slab_leaves_a_score_without_an_interval(tmp_path):
    test = of_case("b", planted_slices(8, seed=1))
    for one in test[1:]:
        one["label"][one["label"] == N_CLASSES - 1] = 0
    (row, *_) = evaluate(tmp_path, [raw_pixels(patch_size=PATCH)], [], test=test)
    assert row.scores["organ score"].value > 0.9
    assert not row.scores["organ score"].has_bounds
    heading = (tmp_path / "patches.md").read_text(encoding="utf-8").splitlines()[0]
    assert f"too many resamples lack a class; rarest, by slabs: organ {N_CLASSES - 1} 1" in heading
