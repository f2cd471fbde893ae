"""Scores of an organ against values found by hand and against MONAI on whole volumes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import gaussian_filter

from meddino_components.errors import InputError
from meddino_components.evaluation import OrganScore, score_case

NAMES = ("background", "liver", "spleen")


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
    assert liver.dice == 0
    assert liver.hd95_mm == pytest.approx(spacing_mm[axis])
    assert liver.surface_dice == (1.0 if spacing_mm[axis] <= 1 else 0.0)


def test_half_of_a_rod() -> None:
    """A rod of 10 voxels, of which 5 are found: distances 0 (5 times) one way, 0 (5 times), 1, 2, 3, 4, 5 the other."""
    reference, prediction = empty(), empty()
    reference[2:12, 7, 6] = 2
    prediction[2:7, 7, 6] = 2
    spleen = score(prediction, reference)[1]
    assert spleen.organ == "spleen"
    assert spleen.dice == pytest.approx(2 * 5 / 15)
    assert spleen.surface_dice == pytest.approx((5 + 6) / 15)
    # 95 % of the way from the first to the tenth value is between the ninth, 4, and the tenth, 5
    assert spleen.hd95_mm == pytest.approx(4.55)


def test_rod_in_anisotropic_voxels() -> None:
    reference, prediction = empty(), empty()
    reference[2:12, 7, 6] = 2
    prediction[2:7, 7, 6] = 2
    spleen = score(prediction, reference, (0.5, 3.0, 7.0))[1]
    assert spleen.surface_dice == pytest.approx((5 + 7) / 15)  # up to two voxels of 0.5 mm count
    assert spleen.hd95_mm == pytest.approx(4.55 * 0.5)
    assert spleen.reference_ml == pytest.approx(10 * 0.5 * 3 * 7 / 1000)
    assert spleen.prediction_ml == pytest.approx(5 * 0.5 * 3 * 7 / 1000)


def test_absent_from_the_reference_does_not_count() -> None:
    prediction, reference = empty(), empty()
    prediction[3:5, 3:5, 3:5] = 1
    liver, spleen = score(prediction, reference)
    for organ in (liver, spleen):
        assert math.isnan(organ.dice)
        assert math.isnan(organ.hd95_mm)
        assert math.isnan(organ.surface_dice)
    assert (liver.reference_ml, liver.prediction_ml) == (0, pytest.approx(0.008))


def test_missed() -> None:
    reference = empty()
    reference[3:5, 3:5, 3:5] = 1
    liver = score(empty(), reference)[0]
    assert (liver.dice, liver.surface_dice, liver.hd95_mm) == (0, 0, math.inf)
    assert liver.prediction_ml == 0


def test_perfect() -> None:
    reference = empty()
    reference[:5, :5, :5] = 1  # touches the edge of the volume
    liver = score(reference, reference)[0]
    assert (liver.dice, liver.surface_dice, liver.hd95_mm) == (1, 1, 0)


def test_without_distances() -> None:
    reference = empty()
    reference[3:5, 3:5, 3:5] = 1
    for prediction in (reference, empty()):
        liver = score(prediction, reference, distance_metrics=False)[0]
        assert liver.dice == prediction.any()
        assert math.isnan(liver.hd95_mm)
        assert math.isnan(liver.surface_dice)


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
        "surface_dice": compute_surface_dice(*one_hot, class_thresholds=[1.0, 1.0], spacing=list(spacing_mm)),
    }
    for name, values in expected.items():
        assert [getattr(s, name) for s in scores] == pytest.approx(values[0].tolist(), abs=1e-6), name


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
