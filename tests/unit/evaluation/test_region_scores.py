"""Regions against MONAI's metrics, and what an empty one counts by BraTS's rule."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from brats_volumes import brain, labels_of
from monai.data import Dataset, MetaTensor
from monai.metrics import compute_dice, compute_hausdorff_distance

from meddino_components.data import Regions, brats_regions
from meddino_components.evaluation import OrganScore, SegmentationReport, score_case
from meddino_components.evaluation.summary import summarize
from meddino_components.inference import CaseEvaluator

REGIONS = brats_regions("brats2021")


def score(prediction: np.ndarray, reference: np.ndarray, regions: Regions = REGIONS, **extra) -> list[OrganScore]:
    settings = {"spacing_mm": (1.0, 2.0, 3.0), "label_names": (), "case_id": "a", "count_empty": True}
    return score_case(prediction, reference, regions=regions, **{**settings, **extra})


@pytest.mark.parametrize("convention", ["brats2013", "brats2021", "brats2023", "msd"])
def test_equal_monais_metrics_of_the_masks(convention: str) -> None:
    regions = brats_regions(convention)
    rng = np.random.default_rng(0)
    values = np.array([0, *(label for label, _ in regions.label_names)], np.uint8)
    prediction, reference = (values[rng.integers(0, len(values), (9, 8, 7))] for _ in range(2))
    scores = score(prediction, reference, regions)
    assert [s.organ for s in scores] == list(regions.names)
    masks = [regions.masks(torch.from_numpy(array)[None])[None].float() for array in (prediction, reference)]
    dice = compute_dice(*masks)[0]
    hd95 = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=(1.0, 2.0, 3.0))[0]
    for s, d, h in zip(scores, dice, hd95, strict=True):
        assert (s.dice, s.hd95_mm) == (pytest.approx(float(d)), pytest.approx(float(h)))


def test_empty_regions_by_the_rule_of_brats() -> None:
    reference, prediction = (np.zeros((6, 6, 6), np.uint8) for _ in range(2))
    assert [(s.dice, s.hd95_mm, s.surface_dice) for s in score(prediction, reference)] == [(1.0, 0.0, 1.0)] * 3
    worst = pytest.approx(373.128664, abs=1e-5)
    prediction[2, 2, 2] = 4
    assert [(s.dice, s.hd95_mm) for s in score(prediction, reference)] == [(0.0, worst)] * 3  # false alarm
    assert [(s.dice, s.hd95_mm) for s in score(reference, prediction)] == [(0.0, worst)] * 3  # missed
    prediction[2, 2, 2] = 2
    whole, core, enhancing = score(prediction, reference, distance_metrics=False)
    assert (whole.dice, core.dice, enhancing.dice) == (0, 1, 1)
    assert math.isnan(whole.hd95_mm)
    # without the rule a case without the region does not count
    assert all(math.isnan(s.dice) for s in score(prediction, reference, count_empty=False))


def test_all_cases_count_and_what_is_missed_is_told_from_what_is_absent() -> None:
    empty, tumour = np.zeros((6, 6, 6), np.uint8), np.full((6, 6, 6), 4, np.uint8)
    scores = [s for p, r in ((empty, empty), (tumour, empty), (empty, tumour), (tumour, tumour)) for s in score(p, r)]
    whole = summarize(scores, REGIONS.names).organs["whole tumour"]
    assert (whole.n, whole.n_missed, whole.n_predicted_where_absent) == (4, 1, 1)
    assert whole.dice.mean == 0.5


class Given:
    """An inferer that knows the answer."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def __call__(self, inputs: torch.Tensor, network: object) -> torch.Tensor:
        return MetaTensor(torch.from_numpy(self.labels)[None, None]).copy_meta_from(inputs)


def test_a_report_of_regions(tmp_path: Path) -> None:
    images, tissues = brain(1, (30, 28, 6))
    affine = torch.tensor([[0, -2.0, 0, 0], [-2.0, 0, 0, 0], [0, 0, 5.0, 0], [0, 0, 0, 1]])
    channels = np.stack(list(images.values())).astype(np.float32)
    labels = labels_of(tissues)
    case = {
        "image": MetaTensor(torch.from_numpy(channels), affine=affine),
        "label": MetaTensor(torch.from_numpy(labels)[None], affine=affine),
        "case_id": "a",
    }
    without = np.where(labels == 4, 1, labels)
    settings = {"channel_names": list(images), "shown_channels": ["t1ce", "flair"], "background": 0.0}
    report = SegmentationReport(output_dir=tmp_path, label_names={}, regions=REGIONS, **settings)
    CaseEvaluator(
        device="cpu",
        dataset=Dataset([case]),
        network=torch.nn.Identity(),
        inferer=Given(without),
        output_dir=tmp_path,
        val_handlers=[report],
    ).run()
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert {name: organ["dice"]["mean"] for name, organ in metrics["organs"].items()} == {
        "whole tumour": 1.0,
        "tumour core": 1.0,
        "enhancing tumour": 0.0,
    }
    assert metrics["settings"]["regions"] == {
        name: list(m) for name, m in zip(REGIONS.names, REGIONS.members, strict=True)
    }
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Every case counts for every region" in page
    assert "373.13" in page
    assert (tmp_path / "comparisons" / "a.png").stat().st_size > 10_000
