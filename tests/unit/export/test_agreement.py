"""Differences of logits and Dice of labels."""

import pytest
import torch

from meddino_components.export.agreement import compare, random_slices

SHAPES = [(1, 2, 32, 48), (2, 2, 48, 32)]


def three_classes(slices):
    return torch.cat([slices, slices.sum(1, keepdim=True)], dim=1)


def test_a_network_agrees_with_itself():
    for result, shape in zip(compare(three_classes, three_classes, SHAPES), SHAPES, strict=True):
        assert (result.shape, result.max_abs_difference, result.mean_dice) == (shape, 0.0, 1.0)
        assert result.max_abs_logit > 0.5
        assert "Dice of 3 labels 1.00000" in str(result)


def test_the_largest_difference_is_found():
    def off(slices):
        logits = three_classes(slices)
        logits[-1, 1, 3, 4] += 0.25
        return logits

    results = compare(three_classes, off, SHAPES)
    assert [result.max_abs_difference for result in results] == pytest.approx([0.25, 0.25])
    assert results[0].relative_difference == pytest.approx(0.25 / results[0].max_abs_logit)
    assert all(result.mean_dice > 0.99 for result in results)


def test_dice_of_classes_and_of_independent_regions():
    def fixed(first, second):
        def network(slices):
            logits = torch.full((1, 2, 4, 4), -1.0)
            logits[:, 0, :first] = 1.0
            logits[:, 1, :second] = 2.0
            return logits

        return network

    pair = fixed(4, 2), fixed(4, 1)
    shape = [(1, 1, 4, 4)]
    # classes: the second takes 2 rows against 1, the first what is left
    assert compare(*pair, shape)[0].mean_dice == pytest.approx(((2 * 2 / (2 + 3)) + (2 * 1 / (2 + 1))) / 2)
    # regions: the first is everything in both
    assert compare(*pair, shape, independent=True)[0].mean_dice == pytest.approx((1 + 2 * 1 / (2 + 1)) / 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_agrees_with_nothing(value):
    result = compare(three_classes, lambda slices: three_classes(slices) + value, SHAPES[:1])[0]
    assert result.relative_difference == float("inf")


def test_random_slices_are_those_of_the_seed():
    assert torch.equal(random_slices(SHAPES[0], 1), random_slices(SHAPES[0], 1))
    assert not torch.equal(random_slices(SHAPES[0], 1), random_slices(SHAPES[0], 2))
