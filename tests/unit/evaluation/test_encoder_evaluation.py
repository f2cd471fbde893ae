"""Encoders against controls: table, JSON and picture."""

import json

import pytest
import torch
from planted_slices import N_CLASSES, PATCH, planted_slices

from meddino_components.embeddings import pixel_encoder
from meddino_components.evaluation.encoder_evaluation import evaluate_encoder
from meddino_components.evaluation.feature_comparison import compare_features
from meddino_components.evaluation.feature_scores import nearest_neighbour_probe, patch_counts
from meddino_components.evaluation.patch_features import extract_features
from meddino_components.networks import vit_backbone


def counts(contrast):
    found = [
        extract_features(
            pixel_encoder(patch_size=PATCH, side=2),
            planted_slices(8, seed=seed, contrast=contrast),
            patch_size=PATCH,
            n_classes=N_CLASSES,
        )
        for seed in (0, 1)
    ]
    probe = nearest_neighbour_probe(n_neighbours=5, metric="euclidean", weights="uniform")
    return patch_counts(probe, *found, n_classes=N_CLASSES)


def test_the_better_one_gains():
    found = compare_features({"good": counts(3.0), "blind": counts(0.0)}, n_resamples=500)
    assert found.scores["good"] > 0.95 > 0.6 > found.scores["blind"]
    gain = found.gains["blind"]
    assert gain.gain == pytest.approx(found.scores["good"] - found.scores["blind"])
    assert gain.excludes_zero
    assert gain.low < gain.gain < gain.high
    first, second = found.text().splitlines()[1:]
    assert first.split() == ["good", f"{found.scores['good']:.3f}"]
    assert second.startswith("blind")
    assert "8 units" in second
    assert json.loads(json.dumps(found.as_dict()))["gain_over"]["blind"]["excludes_zero"] is True


def test_report(tmp_path):
    torch.manual_seed(0)
    networks = {name: vit_backbone("vit_tiny", depth=1) for name in ("backbone", "random_backbone")}
    result = evaluate_encoder(
        **networks,
        train_slices=planted_slices(6),
        test_slices=planted_slices(6, seed=1),
        n_classes=N_CLASSES,
        output_dir=tmp_path / "new",
        n_resamples=200,
        n_neighbours=3,
    )
    assert json.loads((tmp_path / "new" / "features.json").read_text()) == result
    assert (tmp_path / "new" / "feature_maps.png").stat().st_size > 10_000
    for probe in ("knn", "linear"):
        table = result["organ_score"][probe]
        assert list(table["scores"]) == ["encoder", "random weights", "raw pixels"]
        assert table["scores"]["encoder"] == pytest.approx(result["scores"][f"patch_{probe}_organ_score"])
        assert set(table["gain_over"]) == {"random weights", "raw pixels"}
