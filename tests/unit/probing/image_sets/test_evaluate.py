"""Encoders against controls on a labelled image set: rows, tables, and probes that need bags."""

import json

import pytest
import torch
from labelled_pictures import medmnist
from visible_files import visible

from meddino_components.data.image_sets import read_image_set
from meddino_components.embeddings import frozen_backbone, raw_pixels
from meddino_components.errors import InputError
from meddino_components.networks import vit_backbone
from meddino_components.probing import (
    Bootstrap,
    Encoding,
    GatedAttention,
    KNearestNeighbours,
    LinearLayer,
    evaluate_classification,
)

PIXELS = raw_pixels(patch_size=16)


@pytest.fixture
def pictures(tmp_path):
    return read_image_set(root=str(medmnist(tmp_path / "set.npz", planted=True)), layout="medmnist")


def network(name, seed=0):
    torch.manual_seed(seed)
    return frozen_backbone(name, vit_backbone("vit_tiny", depth=1), intensity="picture")


def evaluate(image_set, folder, encoders, controls, **settings):
    given = {
        "size_px": 32,
        "probes": [KNearestNeighbours(n_neighbours=5)],
        "encoding": Encoding(cache_dir=folder / "cache", progress=False),
        "bootstrap": Bootstrap(n_resamples=50),
        "output_dir": folder / "out",
        **settings,
    }
    return evaluate_classification(image_set=image_set, encoders=encoders, controls=controls, **given)


def test_rows_and_files(pictures, tmp_path):
    probes = [KNearestNeighbours(n_neighbours=5), LinearLayer(epochs=5), GatedAttention(progress=False)]
    rows = evaluate(pictures, tmp_path, [PIXELS], [network("random weights")], probes=probes)
    # pictures have no items for attention
    assert [(row.encoder, row.probe) for row in rows] == [
        (name, probe) for name in ("raw pixels", "random weights") for probe in ("knn", "linear")
    ]
    first = rows[0]
    assert first.scores["AUC"].value == 1
    assert set(first.scores) == {"AUC", "accuracy", "F1"}
    assert first.gains["random weights"].value == pytest.approx(1 - rows[2].scores["AUC"].value)
    written = json.loads((tmp_path / "out" / "classification.json").read_text(encoding="utf-8"))
    assert written["samples"] == {"train": 60, "val": 20, "test": 60}
    assert (written["units"], written["unit"], written["main_score"]) == (60, "patients", "AUC")
    assert list(written["shown_by"].values()) == [30, 30]
    assert visible(tmp_path / "out") == sorted(f"classification.{kind}" for kind in ("json", "csv", "md", "tex", "png"))


def test_only_probes_that_need_bags(pictures, tmp_path):
    with pytest.raises(InputError, match="probes are attention, which need samples of several slices or tiles"):
        evaluate(pictures, tmp_path, [PIXELS], [], probes=[GatedAttention(progress=False)])


@pytest.mark.parametrize(
    ("encoders", "probes", "message"),
    [
        ([PIXELS], [], "expected a list of at least one component"),
        ([PIXELS], [KNearestNeighbours(), KNearestNeighbours()], "expected different names"),
        ([PIXELS, PIXELS], [KNearestNeighbours()], "a name of its own for each"),
    ],
)
def test_what_is_refused_before_anything_is_encoded(pictures, tmp_path, encoders, probes, message):
    with pytest.raises(InputError, match=message):
        evaluate(pictures, tmp_path, encoders, [], probes=probes)
    assert not (tmp_path / "cache").exists()
