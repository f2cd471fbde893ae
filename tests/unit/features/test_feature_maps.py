"""Components in a fixed order and sign, similarities, points."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from meddino_components.features.feature_maps import (
    choose_points,
    cosine_maps,
    foreground_patches,
    principal_basis,
    principal_colours,
)


def planted(seed=0, width=20, scales=(5.0, 3.0, 2.0)):
    """Three directions of different variance in [2, 36, D], and brightness along the first."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q[:3]
    drawn = torch.randn(72, 3, generator=generator)
    # uncorrelated over these patches, so that the components are exactly these directions
    coordinates = (torch.linalg.qr(drawn - drawn.mean(0)).Q * 72**0.5 * torch.tensor(scales)).view(2, 36, 3)
    patches = coordinates @ basis + 0.01 * torch.randn(2, 36, width, generator=generator) + 7
    return patches, coordinates


def correlations(a, b):
    return [float(np.corrcoef(a[:, k], b[:, k])[0, 1]) for k in range(3)]


def test_components_are_those_planted():
    patches, coordinates = planted()
    foreground = torch.ones(2, 36, dtype=torch.bool)
    brightness = -coordinates[..., 0] + 2 * coordinates[..., 1] + 3 * coordinates[..., 2]
    found = principal_colours(patches, foreground, brightness=brightness)
    assert min(abs(r) for r in correlations(found.scores, coordinates.flatten(0, 1))) > 0.99
    for k in range(3):
        assert np.corrcoef(found.scores[:, k], brightness.flatten())[0, 1] > 0
    assert_close(found.scores.var(0, correction=0), torch.ones(3))
    assert found.explained == pytest.approx(1, abs=0.001)
    assert found.rgb.shape == (2, 36, 3)
    assert 0 <= float(found.rgb.min()) < 0.1 < 0.9 < float(found.rgb.max()) <= 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_colours_stay_when_order_and_signs_change(order):
    """The next evaluation gives the same directions other variances, in other signs, in another space."""
    patches, coordinates = planted()
    foreground = torch.ones(2, 36, dtype=torch.bool)
    first = principal_colours(patches, foreground, brightness=coordinates[..., 0])
    basis = torch.linalg.qr(torch.randn(20, 20, generator=torch.Generator().manual_seed(9))).Q[:3]
    scales = torch.tensor([6.0, 4.0, 2.5])[list(order)] / torch.tensor([5.0, 3.0, 2.0])
    later = (coordinates * scales * torch.tensor([-1.0, 1.0, -1.0])) @ basis
    again = {"foreground": foreground, "brightness": -coordinates[..., 0]}
    second = principal_colours(later, **again, previous=first.scores)
    assert min(correlations(first.scores, second.scores)) > 0.97
    assert (first.rgb - second.rgb).abs().mean() < 0.05
    # those of other slices are not used
    unaligned = principal_colours(later, **again)
    assert torch.equal(principal_colours(later, **again, previous=first.scores[:5]).scores, unaligned.scores)


def test_background_decides_nothing():
    patches, coordinates = planted()
    foreground = torch.zeros(2, 36, dtype=torch.bool)
    foreground[:, :20] = True
    expected = principal_colours(patches[:, :20], foreground[:, :20], brightness=coordinates[:, :20, 0])
    patches[:, 20:] *= 100
    found = principal_colours(patches, foreground, brightness=coordinates[..., 0])
    assert_close(found.scores, expected.scores, atol=1e-4, rtol=1e-4)
    assert_close(found.rgb[:, :20], expected.rgb, atol=1e-4, rtol=1e-4)


def test_a_basis_colours_other_patches_alike():
    patches, coordinates = planted()
    basis = principal_basis(patches[0], brightness=coordinates[0, :, 0])
    others = torch.cat([patches[0, 5:9], patches[1]])
    assert_close(basis.colours(others)[:4], basis.colours(patches[0])[5:9])
    # red follows the first direction in patches that decided nothing
    red = basis.colours(patches[1])[:, 0]
    assert np.corrcoef(red, coordinates[1, :, 0].clamp(-8, 8))[0, 1] > 0.95
    assert basis.colours(patches.view(2, 6, 6, -1)).shape == (2, 6, 6, 3)


def test_features_all_alike_are_no_error():
    same = torch.ones(1, 9, 5)
    found = principal_colours(same, torch.ones(1, 9, dtype=torch.bool), brightness=torch.ones(1, 9))
    assert found.rgb.isfinite().all()
    with pytest.raises(ValueError, match="three components"):
        principal_colours(same[:, :3], torch.ones(1, 3, dtype=torch.bool), brightness=torch.ones(1, 3))


def test_foreground_on_any_scale():
    image = torch.full((1, 1, 32, 32), -1000.0)
    image[..., 8:24, 8:24] = 40
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[2:6, 2:6] = True
    for picture in (image, (image - 65) / 178, image.expand(1, 3, 32, 32)):
        assert_close(foreground_patches(picture, 4)[0].view(8, 8), expected)
    assert foreground_patches(torch.zeros(2, 1, 32, 32), 4).all()


def test_cosines():
    patches = torch.tensor([[1.0, 0], [5, 0], [0, 2], [-3, 0], [1, 1]])
    assert_close(cosine_maps(patches, [1])[0], torch.tensor([1.0, 1, 0, -1, math.sqrt(0.5)]))
    assert cosine_maps(patches, [0, 3]).shape == (2, 5)


def test_points_lie_in_the_largest_organs():
    labels = np.zeros((64, 64), np.uint8)
    labels[2:30, 2:30], labels[40:60, 40:60], labels[2:6, 50:54] = 3, 1, 2
    foreground = torch.ones(64, dtype=torch.bool)
    points = choose_points(2, (8, 8), labels=labels, foreground=foreground)
    assert [labels[8 * (p // 8) + 4, 8 * (p % 8) + 4] for p in points] == [3, 1]
    more = choose_points(5, (8, 8), labels=labels, foreground=foreground)
    assert more[:2] == points
    assert len(set(more)) == 5
    assert more == choose_points(5, (8, 8), labels=labels, foreground=foreground)


def test_points_without_labels_are_spread_over_the_body():
    foreground = torch.zeros(8, 8, dtype=torch.bool)
    foreground[2:7, 1:8] = True
    points = choose_points(3, (8, 8), labels=None, foreground=foreground.flatten())
    assert foreground.flatten()[points].all()
    places = [divmod(p, 8) for p in points]
    assert min(math.dist(a, b) for a in places for b in places if a != b) >= 2
    assert choose_points(1, (2, 2), labels=None, foreground=torch.zeros(4, dtype=torch.bool)) != []
