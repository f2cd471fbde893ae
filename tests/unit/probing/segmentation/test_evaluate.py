"""Decoders on frozen maps of pictures: rows, finished cells, and sets that are refused."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from meddino_components.embeddings import frozen_backbone, raw_pixels
from meddino_components.errors import InputError
from meddino_components.networks import vit_backbone
from meddino_components.probing import Bootstrap, DecoderTraining, Encoding, SegmentationSet, evaluate_segmentation
from meddino_components.probing.segmentation import Fold, LinearDecoder, PlaneDecoder, cells

PIXELS = raw_pixels(patch_size=8)


@pytest.fixture
def cases(tmp_path):
    """Pictures in which the structure is bright."""
    made = []
    for k in range(4):
        mask = np.zeros((32, 32), np.uint8)
        mask[8 * (k % 2) : 8 * (k % 2) + 16, 8:24] = 1
        Image.fromarray(30 + 150 * mask).save(tmp_path / f"{k}.png")
        Image.fromarray(mask).save(tmp_path / f"{k}_mask.png")
        files = {"image": str(tmp_path / f"{k}.png"), "label": str(tmp_path / f"{k}_mask.png")}
        made.append({**files, "case_id": f"c{k}", "modality": "picture", "patient": f"p{k}"})
    return made


def toy(cases, **changes):
    folds = [Fold("fold 0", tuple(cases[:2]), tuple(cases[2:])), Fold("fold 1", tuple(cases[2:]), tuple(cases[:2]))]
    return SegmentationSet(**{"folds": folds, "label_names": ["background", "bright"], "name": "toy", **changes})


def evaluate(segmentation_set, folder, **changes):
    torch.manual_seed(0)
    blind = frozen_backbone("blind", vit_backbone("vit_tiny", depth=1, patch_size=8), intensity="picture")
    settings = {
        "encoders": [PIXELS],
        "controls": [blind],
        "size_px": 32,
        "decoders": [LinearDecoder(), PlaneDecoder()],
        "training": DecoderTraining(iterations=40, learning_rate=1e-2, slices_per_batch=2, depth=1),
        "encoding": Encoding(cache_dir=folder / "cache", progress=False),
        "bootstrap": Bootstrap(n_resamples=50),
        "output_dir": folder / "out",
        "n_pictures": 1,
        **changes,
    }
    return evaluate_segmentation(segmentation_set=segmentation_set, **settings)


def test_rows_cases_and_finished_cells(cases, tmp_path, monkeypatch):
    rows = evaluate(toy(cases), tmp_path)
    assert [(row.encoder, row.probe) for row in rows] == [
        (name, decoder) for name in ("raw pixels", "blind") for decoder in ("linear", "conv_2d")
    ]
    best = rows[1]
    assert best.scores["Dice"].value > 0.7
    assert best.more == {"Dice bright": pytest.approx(best.scores["Dice"].value)}
    assert best.gains["blind"].value == pytest.approx(best.scores["Dice"].value - rows[3].scores["Dice"].value)
    table = list(csv.DictReader((tmp_path / "out" / "segmentation_cases.csv").open(encoding="utf-8")))
    of_best = [float(row["bright"]) for row in table if (row["encoder"], row["decoder"]) == ("raw pixels", "conv_2d")]
    assert (len(table), np.mean(of_best)) == (4 * 4, pytest.approx(best.scores["Dice"].value, abs=1e-5))
    found = json.loads((tmp_path / "out" / "segmentation.json").read_text(encoding="utf-8"))
    assert (found["set"], found["units"], found["shown_by"]) == ("toy, 2 folds", 4, {"bright": 4})
    assert found["samples"] == {"train": 2, "test": 4}
    for name in ("segmentation_loss.png", "predictions_linear.png", "predictions_conv_2d.png"):
        assert (tmp_path / "out" / name).stat().st_size > 3_000

    def fail(*given, **settings):
        raise AssertionError("trained again")

    monkeypatch.setattr(cells, "train_decoder", fail)
    # neither the bootstrap nor the encoding is a matter of decoders
    again = evaluate(
        toy(cases), tmp_path, encoding=Encoding(cache_dir=tmp_path / "cache", batch_size=1, progress=False)
    )
    assert again == rows
    with pytest.raises(AssertionError, match="trained again"):
        evaluate(toy(cases), tmp_path, training=DecoderTraining(iterations=1))


def test_a_class_that_nobody_can_learn_is_refused(cases, tmp_path):
    with pytest.raises(InputError, match="fold 0: no training case shows dark: nothing can be learnt about it"):
        evaluate(toy(cases, label_names=["background", "bright", "dark"]), tmp_path)


def test_patients_on_both_sides(cases):
    same = [{**case, "patient": "p"} for case in cases]
    with pytest.raises(InputError, match="fold 0: 1 patient in both training and test, such as p: decoders would be"):
        toy(same)
    assert toy(same, allow_same_patient=True).within_one_patient
    assert not toy(cases).within_one_patient
    assert toy(cases).has_pictures


def test_a_decoder_that_there_is_not(cases, tmp_path):
    with pytest.raises(InputError, match="decoders contains 'conv_4d'; expected components"):
        evaluate(toy(cases), tmp_path, decoders=["conv_4d"])
