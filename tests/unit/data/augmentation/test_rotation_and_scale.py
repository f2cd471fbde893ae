"""Rotation and scaling in one interpolation."""

import math

import pytest
import torch
from torch.nn.functional import grid_sample

from meddino_components.data import RandRotateScaled
from meddino_components.data.augmentation.rotation_and_scale import sample_labels


def fixed(angle=0.0, factor=1.0, roi=(9, 9), background=None):
    transform = RandRotateScaled(roi_size=roi, background=background)

    def randomize(data=None):
        transform.angle, transform.factor = angle, factor

    transform.randomize = randomize
    return transform


def item(side=13, value=1.0):
    image = torch.full((1, side, side), value)
    return {"image": image, "label": torch.ones(1, side, side)}


def test_a_quarter_turn_moves_pixels_to_their_places():
    image = torch.arange(81.0).view(1, 9, 9)
    found = fixed(angle=math.pi / 2)({"image": image, "label": image.to(torch.uint8)})
    torch.testing.assert_close(found["image"], image.rot90(1, (1, 2)).rot90(2, (1, 2)), atol=1e-4, rtol=0)
    assert torch.equal(found["label"].float(), found["image"].round())


def test_a_factor_above_1_makes_objects_smaller_along_both_axes():
    label = torch.zeros(1, 120, 120, dtype=torch.uint8)
    label[:, 40:80, 50:70] = 3
    for factor in (0.5, 2.0):
        found = fixed(factor=factor, roi=(100, 100))({"image": label.float(), "label": label})["label"]
        rows, columns = (found[0] == 3).nonzero().T
        assert (len(rows.unique()), len(columns.unique())) == (round(40 / factor), round(20 / factor))


@pytest.mark.parametrize(("background", "outside"), [(None, 0.0), (-2.0, -2.0)])
def test_beyond_the_slice_is_what_inference_pads_with_and_label_0(background, outside):
    found = fixed(angle=math.pi / 4, roi=(13, 13), background=background)(item(value=5.0))
    assert found["image"][0, 0, 0] == outside
    assert found["label"][0, 0, 0] == 0
    assert float(found["image"][0, 6, 6]) == pytest.approx(5)
    assert found["label"][0, 6, 6] == 1


@pytest.mark.parametrize("side", [9, 13, 6])
def test_without_either_nothing_is_interpolated(side):
    given = item(side)
    given["image"] = torch.rand(1, side, side)
    found = fixed()(given)
    start = (side - 9) // 2
    if side >= 9:
        assert torch.equal(found["image"], given["image"][:, start : start + 9, start : start + 9])
    else:
        assert found["image"].shape == found["label"].shape == (1, 9, 9)
        assert found["label"].sum() == side**2


def test_labels_are_interpolated_each_by_itself():
    """Against one interpolation a label, which takes as many times as long as there are labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 7, (31, 27), generator=generator, dtype=torch.uint8)
    grid = fixed(angle=0.7, factor=1.2, roi=(40, 40))._grid(labels.shape)
    planes = torch.stack([(labels == label).float() for label in range(7)])
    # what lies beyond is label 0
    planes[0] -= 1
    shares = grid_sample(planes[None], grid[None], padding_mode="zeros", align_corners=False)[0]
    shares[0] += 1
    found = sample_labels(labels, grid)
    won = shares.gather(0, found.long()[None])[0]
    assert (won > shares.max(0).values - 1e-5).all()
    assert found.dtype == torch.uint8
