"""The atlas on planted data whose answer is known."""

from __future__ import annotations

import pytest
import torch
from mean_label_atlas import MeanLabelAtlas
from monai.data import MetaTensor
from planted_organs import SHAPE, dice, planted


@pytest.mark.parametrize("grid", [(32, 40, 16), (48, 48, 48)])
def test_atlas_of_equal_cases_knows_the_next(grid: tuple[int, int, int]) -> None:
    atlas = MeanLabelAtlas(n_labels=4, grid=grid, alignment="image").fit([planted(s) for s in range(3)])
    # twice as many voxels over the same extent
    for case in (planted(7), planted(7, scale=2)):
        predicted = atlas.predict(case)
        assert predicted.shape == tuple(case["label"].shape[1:])
        assert dice(predicted, case, 1) > 0.95
        assert dice(predicted, case, 2) > 0.95
        assert not (predicted == 3).any()  # no training case has it
    assert atlas.training_dice > 0.95


def test_body_alignment_needs_no_luck_with_the_field_of_view() -> None:
    cases = [planted(s, pad=(4 * s, 12 - 4 * s)) for s in range(4)]
    found = {}
    for alignment in ("body", "image"):
        atlas = MeanLabelAtlas(n_labels=4, grid=SHAPE, alignment=alignment).fit(cases[:3])
        found[alignment] = dice(atlas.predict(cases[3]), cases[3], 1)
    assert found["body"] > 0.85 > found["image"]


def test_thresholds_are_the_best_left_out() -> None:
    """One of four cases has its organs elsewhere: for the others the atlas says 2/3, so the threshold must be lower."""
    cases = [planted(s) for s in range(4)]
    cases[3]["label"] = MetaTensor(torch.roll(cases[3]["label"].as_tensor(), 5, 3), affine=cases[3]["label"].affine)
    atlas = MeanLabelAtlas(n_labels=4, grid=SHAPE, alignment="image").fit(cases)
    assert (atlas.thresholds[:2] < 2 / 3).all()
    assert dice(atlas.predict(planted(9)), planted(9), 1) > 0.95


def test_atlas_needs_two_cases() -> None:
    with pytest.raises(ValueError, match="at least two"):
        MeanLabelAtlas(n_labels=4).fit([planted(0)])
