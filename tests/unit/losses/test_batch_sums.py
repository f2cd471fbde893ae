"""Sums of a batch, of one process or of all, and the Dice that is made of them."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.losses.batch_sums import known_pixels, soft_dice, sum_over_processes


def test_alone_the_sums_are_its_own():
    sums = torch.ones(3, requires_grad=True)
    assert sum_over_processes(sums) is sums


def test_in_training_of_all_processes_and_in_validation_its_own(on_two_processes):
    """The processes have the numbers (1, 10) and (2, 20)."""
    for rank, found in enumerate(on_two_processes):
        total, gradient = found["collectives"]["sum_over_processes"]
        assert total.tolist() == [3, 30]
        assert gradient.tolist() == [18, 180]
        assert found["collectives"]["without gradients"].tolist() == [1 + rank, 10 * (1 + rank)]


@pytest.mark.parametrize("smooth", [1e-5, 1.0])
def test_dice_by_hand(smooth):
    """A perfect class, one that is half found, one that is not found, and one that is nowhere."""
    overlap, predicted, expected = torch.tensor([[4.0, 2, 0, 0], [4, 2, 3, 0], [4, 4, 5, 0]])
    dice = torch.tensor([1.0, (4 + smooth) / (6 + smooth), smooth / (8 + smooth), 1.0])
    assert_close(soft_dice(overlap, predicted, expected, smooth), dice)


def test_pixels_that_nobody_annotated_are_left_out():
    logits, labels = torch.arange(6.0).reshape(3, 2), torch.tensor([0, 255, 2])
    kept = known_pixels(logits, labels)
    assert (kept[0].tolist(), kept[1].tolist()) == ([[0, 1], [4, 5]], [0, 2])
    assert known_pixels(logits, labels.clamp(max=2))[0] is logits
