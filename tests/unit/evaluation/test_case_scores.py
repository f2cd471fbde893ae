"""Scores of an organ against values found by hand and against MONAI on whole volumes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import gaussian_filter

from meddino_components.data import Regions, brats_regions
from meddino_components.errors import InputError
from meddino_components.evaluation import AbsentRule, Dice, OrganScore, score_case, summarize
from meddino_components.evaluation.metrics import PUBLISHED_METRICS
from meddino_components.ignored_label import IGNORE

NAMES = ("background", "liver", "spleen")
REGIONS = brats_regions("brats2021")


def score(prediction: np.ndarray, reference: np.ndarray, spacing_mm=(1.0, 1.0, 1.0), **extra) -> list[OrganScore]:
    return score_case(prediction, reference, spacing_mm=spacing_mm, label_names=NAMES, case_id="a", **extra)


def empty() -> np.ndarray:
    return np.zeros((16, 14, 12), np.uint8)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spacing_mm", [(0.8, 2.5, 5.0), (5.0, 0.8, 2.5)])
def test_plates_one_voxel_apart(axis: int, spacing_mm: tuple[float, float, float]) -> None:
    """Plates one voxel thick: each surface voxel lies exactly one voxel from the other plate."""
    reference, prediction = empty(), empty()
    np.moveaxis(reference, axis, 0)[5] = 1
    np.moveaxis(prediction, axis, 0)[6] = 1
    liver = score(prediction, reference, spacing_mm)[0]
    assert liver.values["dice"] == 0
    assert liver.values["hd95_mm"] == pytest.approx(spacing_mm[axis])
    assert liver.values["surface_dice_1mm"] == (1.0 if spacing_mm[axis] <= 1 else 0.0)


def test_half_of_a_rod() -> None:
    """A rod of 10 voxels, of which 5 are found: distances 0 (5 times) one way, 0 (5 times), 1, 2, 3, 4, 5 the other."""
    reference, prediction = empty(), empty()
    reference[2:12, 7, 6] = 2
    prediction[2:7, 7, 6] = 2
    spleen = score(prediction, reference)[1]
    assert spleen.organ == "spleen"
    assert spleen.values["dice"] == pytest.approx(2 * 5 / 15)
    assert spleen.values["surface_dice_1mm"] == pytest.approx((5 + 6) / 15)
    # 95 % of the way from the first to the tenth value is between the ninth, 4, and the tenth, 5
    assert spleen.values["hd95_mm"] == pytest.approx(4.55)


def test_rod_in_anisotropic_voxels() -> None:
    reference, prediction = empty(), empty()
    reference[2:12, 7, 6] = 2
    prediction[2:7, 7, 6] = 2
    spleen = score(prediction, reference, (0.5, 3.0, 7.0))[1]
    assert spleen.values["surface_dice_1mm"] == pytest.approx((5 + 7) / 15)  # up to two voxels of 0.5 mm count
    assert spleen.values["hd95_mm"] == pytest.approx(4.55 * 0.5)
    assert spleen.reference_ml == pytest.approx(10 * 0.5 * 3 * 7 / 1000)
    assert spleen.prediction_ml == pytest.approx(5 * 0.5 * 3 * 7 / 1000)


def test_absent_from_the_reference_does_not_count() -> None:
    prediction, reference = empty(), empty()
    prediction[3:5, 3:5, 3:5] = 1
    liver, spleen = score(prediction, reference)
    for organ in (liver, spleen):
        assert math.isnan(organ.values["dice"])
        assert math.isnan(organ.values["hd95_mm"])
        assert math.isnan(organ.values["surface_dice_1mm"])
    assert (liver.reference_ml, liver.prediction_ml) == (0, pytest.approx(0.008))


def test_missed() -> None:
    reference = empty()
    reference[3:5, 3:5, 3:5] = 1
    liver = score(empty(), reference)[0]
    assert (liver.values["dice"], liver.values["surface_dice_1mm"], liver.values["hd95_mm"]) == (0, 0, math.inf)
    assert liver.prediction_ml == 0


def test_perfect() -> None:
    reference = empty()
    reference[:5, :5, :5] = 1  # touches the edge of the volume
    liver = score(reference, reference)[0]
    assert (liver.values["dice"], liver.values["surface_dice_1mm"], liver.values["hd95_mm"]) == (1, 1, 0)


def test_one_metric_alone() -> None:
    reference = empty()
    reference[3:5, 3:5, 3:5] = 1
    for prediction in (reference, empty()):
        liver = score(prediction, reference, metrics=[Dice()])[0]
        assert liver.values == {"dice": float(prediction.any())}


def blobs(seed: int) -> np.ndarray:
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=(3, 24, 20, 14)), (0, 2, 2, 1.5))
    smooth[0] *= 1.6  # more background
    return smooth.argmax(axis=0).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_the_box_changes_nothing(seed: int) -> None:
    reference, prediction = blobs(seed), blobs(seed + 100)
    prediction = np.where(np.random.default_rng(seed).random(reference.shape) < 0.1, prediction, reference)
    if seed > 2:  # organs amid the volume, as well as those cut by its edge
        reference, prediction = (np.pad(x, ((9, 4), (2, 11), (5, 6))) for x in (reference, prediction))
    spacing_mm = (0.7, 1.3, 3.0)
    scores = score(prediction, reference, spacing_mm)
    one_hot = [torch.from_numpy(np.stack([x == k for k in range(3)]))[None].float() for x in (prediction, reference)]
    expected = {
        "dice": compute_dice(*one_hot, include_background=False),
        "hd95_mm": compute_hausdorff_distance(*one_hot, percentile=95, spacing=list(spacing_mm)),
        "surface_dice_1mm": compute_surface_dice(*one_hot, class_thresholds=[1.0, 1.0], spacing=list(spacing_mm)),
    }
    for name, values in expected.items():
        assert [s.values[name] for s in scores] == pytest.approx(values[0].tolist(), abs=1e-6), name


def test_a_strided_view_and_float_labels() -> None:
    reference = blobs(1)
    turned = np.asfortranarray(reference)[::-1]
    plain = score(np.ascontiguousarray(turned), np.ascontiguousarray(turned))
    assert score(torch.from_numpy(turned.astype(np.float32)), turned) == plain


def test_other_grid() -> None:
    with pytest.raises(InputError, match=r"case a.*\(16, 14, 12\).*\(16, 14, 11\)"):
        score(empty(), empty()[:, :, 1:])


def test_label_without_name() -> None:
    reference = empty()
    reference[0, 0, 0] = 3
    with pytest.raises(InputError, match=r"case a: reference holds labels 0\.\.3.*0\.\.2"):
        score(empty(), reference)


def test_class_scores_are_refused() -> None:
    with pytest.raises(InputError, match="case a: prediction has shape"):
        score(np.zeros((3, 16, 14, 12)), empty())


def score_regions(
    prediction: np.ndarray, reference: np.ndarray, regions: Regions = REGIONS, **extra
) -> list[OrganScore]:
    settings = {"spacing_mm": (1.0, 2.0, 3.0), "label_names": (), "case_id": "a", "absent": AbsentRule.BRATS}
    return score_case(prediction, reference, regions=regions, **{**settings, **extra})


@pytest.mark.parametrize("convention", ["brats2013", "brats2021", "brats2023", "msd"])
def test_equal_monais_metrics_of_the_masks(convention: str) -> None:
    regions = brats_regions(convention)
    rng = np.random.default_rng(0)
    values = np.array([0, *(label for label, _ in regions.label_names)], np.uint8)
    prediction, reference = (values[rng.integers(0, len(values), (9, 8, 7))] for _ in range(2))
    scores = score_regions(prediction, reference, regions)
    assert [s.organ for s in scores] == list(regions.names)
    masks = [regions.masks(torch.from_numpy(array)[None])[None].float() for array in (prediction, reference)]
    dice = compute_dice(*masks)[0]
    hd95 = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=(1.0, 2.0, 3.0))[0]
    for s, d, h in zip(scores, dice, hd95, strict=True):
        assert (s.values["dice"], s.values["hd95_mm"]) == (pytest.approx(float(d)), pytest.approx(float(h)))


def test_empty_regions_by_the_rule_of_brats() -> None:
    reference, prediction = (np.zeros((6, 6, 6), np.uint8) for _ in range(2))
    assert [
        (s.values["dice"], s.values["hd95_mm"], s.values["surface_dice_1mm"])
        for s in score_regions(prediction, reference)
    ] == [(1.0, 0.0, 1.0)] * 3
    worst = pytest.approx(373.128664, abs=1e-5)
    prediction[2, 2, 2] = 4
    assert [(s.values["dice"], s.values["hd95_mm"]) for s in score_regions(prediction, reference)] == [
        (0.0, worst)
    ] * 3  # false alarm
    assert [(s.values["dice"], s.values["hd95_mm"]) for s in score_regions(reference, prediction)] == [
        (0.0, worst)
    ] * 3  # missed
    prediction[2, 2, 2] = 2
    whole, core, enhancing = score_regions(prediction, reference, metrics=[Dice()])
    assert (whole.values["dice"], core.values["dice"], enhancing.values["dice"]) == (0, 1, 1)
    # without the rule a case without the region does not count
    assert all(math.isnan(s.values["dice"]) for s in score_regions(prediction, reference, absent=AbsentRule.LEAVE_OUT))


def test_all_cases_count_and_what_is_missed_is_told_from_what_is_absent() -> None:
    empty, tumour = np.zeros((6, 6, 6), np.uint8), np.full((6, 6, 6), 4, np.uint8)
    scores = [
        s for p, r in ((empty, empty), (tumour, empty), (empty, tumour), (tumour, tumour)) for s in score_regions(p, r)
    ]
    whole = summarize(scores, REGIONS.names, PUBLISHED_METRICS).organs["whole tumour"]
    assert (whole.n, whole.n_missed, whole.n_predicted_where_absent) == (4, 1, 1)
    assert whole.values["dice"].mean == 0.5


def test_what_was_not_annotated_has_no_score() -> None:
    reference, prediction = empty(), empty()
    reference[2:6], prediction[3:7], prediction[10:12] = 1, 1, 2
    (liver,) = score(prediction, reference, annotated=torch.tensor([True, True, False]))
    assert liver == score(prediction, reference)[0]
    assert score(prediction, reference, annotated=[True, False, False]) == []


def test_voxels_that_nobody_annotated_count_neither_for_nor_against() -> None:
    reference, prediction = empty(), empty()
    reference[2:6], prediction[3:7] = 1, 1
    expected = score(prediction, reference)
    reference[8:], prediction[8:12], prediction[12:] = IGNORE, 1, 2
    assert score(prediction, reference) == expected
    prediction[0, 0, 0] = IGNORE
    with pytest.raises(InputError, match=r"prediction holds labels 0\.\.255"):
        score(prediction, reference)


def test_a_region_needs_all_of_its_labels_annotated() -> None:
    reference = empty()
    reference[2:6], reference[3:5] = 2, 4
    settings = {"regions": REGIONS, "absent": AbsentRule.BRATS}
    found = score(reference, reference, annotated=[True, True, False, True, True], **settings)
    assert [one.organ for one in found] == ["tumour core", "enhancing tumour"]
    assert score(reference, reference, annotated=[True, True, True, True, False], **settings) == []
