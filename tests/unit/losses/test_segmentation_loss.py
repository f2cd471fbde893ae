"""Losses of other libraries in the place of ours."""

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss
from torch import nn
from torch.testing import assert_close

from meddino_components.errors import InputError
from meddino_components.losses import DiceCrossEntropyLoss, RegionDiceCrossEntropyLoss, segmentation_loss

REGIONS = ((1, 2), (2,))
LABELS = torch.tensor([[0, 1, 2, 2], [1, 0, 0, 2]])[None, None]


@pytest.mark.parametrize(
    ("loss", "regions"),
    [
        (DiceCrossEntropyLoss(num_classes=3, class_balance=0.5), None),
        (RegionDiceCrossEntropyLoss(regions=REGIONS, class_balance=0.5), REGIONS),
    ],
    ids=["classes", "regions"],
)
def test_the_bundles_own_losses_are_taken_as_they_are(loss, regions):
    assert segmentation_loss(loss, regions=regions, class_balance=0.5) is loss


def test_a_loss_of_others_that_knows_its_regions_gets_label_numbers():
    class OfLabels(nn.Module):
        regions = REGIONS

        def forward(self, logits, labels):
            return labels.float().sum() * logits.sum()

    loss = OfLabels()
    assert segmentation_loss(loss, regions=REGIONS) is loss


def test_a_loss_of_others_for_classes_gets_label_numbers():
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    assert segmentation_loss(loss) is loss


def test_a_loss_of_others_for_regions_gets_a_mask_of_each():
    logits = torch.randn(1, 2, 2, 4, generator=torch.Generator().manual_seed(0))
    masks = torch.tensor([[[0, 1, 1, 1], [1, 0, 0, 1]], [[0, 0, 1, 1], [0, 0, 0, 1]]])[None].float()
    found = segmentation_loss(DiceLoss(sigmoid=True), regions=REGIONS)(logits, LABELS)
    assert_close(found, DiceLoss(sigmoid=True)(logits, masks))
    # labels come as images from files, in floating point
    assert_close(segmentation_loss(nn.BCEWithLogitsLoss(), regions=REGIONS)(logits, LABELS.float()),
                 nn.functional.binary_cross_entropy_with_logits(logits, masks))  # fmt: skip


def test_a_list_of_logits_reaches_a_loss_that_takes_one():
    class Levels(nn.Module):
        def forward(self, logits, masks):
            assert masks.shape == (1, 2, 2, 4)
            return sum(level.sum() for level in logits)

    levels = [torch.ones(1, 2, 2, 4), torch.ones(1, 2, 1, 2)]
    assert segmentation_loss(Levels(), regions=REGIONS)(levels, LABELS).item() == 16 + 4


@pytest.mark.parametrize("regions", [None, REGIONS])
def test_a_balance_that_the_loss_knows_nothing_of_is_refused(regions):
    with pytest.raises(InputError, match=r"class_balance is 0\.5, but DiceLoss does not use it: set --class_balance 0"):
        segmentation_loss(DiceLoss(), regions=regions, class_balance=0.5)


def test_a_loss_of_the_users_that_weighs_classes_is_taken_as_it_is():
    class Balanced(nn.Module):
        class_balance = 0.3

    loss = Balanced()
    assert segmentation_loss(loss, class_balance=0.5) is loss


def test_partial_labels_reach_the_loss():
    logits, annotated = torch.randn(1, 3, 2, 4), torch.tensor([[True, True, False]])
    labels = LABELS.clamp(max=1)
    for loss, regions in (
        (DiceCrossEntropyLoss(num_classes=3), None),
        (RegionDiceCrossEntropyLoss(regions=((1, 2), (1,), (2,))), ((1, 2), (1,), (2,))),
    ):
        wrapped = segmentation_loss(loss, regions=regions, partial=True)
        assert torch.equal(wrapped(logits, (labels, annotated)), loss(logits, labels, annotated))
        assert not torch.equal(wrapped(logits, (labels, annotated)), loss(logits, labels))


def test_a_loss_of_others_gets_partial_labels_only_if_it_takes_them():
    with pytest.raises(InputError, match=r"^DiceCELoss does not take 'annotated', but the data list has cases with"):
        segmentation_loss(DiceCELoss(to_onehot_y=True), partial=True)

    class Own(nn.Module):
        def forward(self, logits, masks, annotated):
            assert masks.shape == logits.shape
            return annotated.sum()

    found = segmentation_loss(Own(), regions=REGIONS, partial=True)
    assert found(torch.zeros(1, 2, 2, 4), (LABELS, torch.tensor([[True, False, True]]))) == 2
