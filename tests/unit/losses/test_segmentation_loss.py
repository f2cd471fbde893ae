"""Any loss takes the place of the bundles' own: it gets numbers of classes, or masks of regions."""

import pytest
import torch
from torch import nn

from meddino_components.errors import InputError
from meddino_components.losses import DiceCrossEntropyLoss, RegionDiceCrossEntropyLoss, segmentation_loss

REGIONS = [[1, 2], [2]]


class Seen(nn.Module):
    """Keeps what it was called with."""

    def forward(self, logits, target):
        self.target = target
        return logits.sum()


class Balanced(Seen):
    class_balance = 0.3


def test_a_loss_for_classes_gets_their_numbers():
    loss = Seen()
    assert segmentation_loss(loss) is loss


def test_a_loss_for_regions_gets_masks():
    seen, labels = Seen(), torch.tensor([[[[0, 1, 2]]]])
    segmentation_loss(seen, regions=REGIONS)(torch.zeros(1, 2, 1, 3), labels)
    assert seen.target.tolist() == [[[[0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0]]]]


def test_losses_that_know_regions_or_weigh_classes_are_left_as_they_are():
    ours = RegionDiceCrossEntropyLoss(regions=REGIONS, class_balance=0.5)
    assert segmentation_loss(ours, regions=REGIONS, class_balance=0.5) is ours
    assert ours.regions == REGIONS
    for loss in (DiceCrossEntropyLoss(num_classes=3), Balanced()):
        assert segmentation_loss(loss, class_balance=0.5) is loss


def test_a_loss_that_weighs_no_classes():
    with pytest.raises(InputError, match=r"class_balance is 0\.5, but Seen knows none: set --class_balance 0"):
        segmentation_loss(Seen(), class_balance=0.5)
