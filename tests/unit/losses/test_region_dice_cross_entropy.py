"""The loss against its formula, MONAI's, and itself on two processes."""

import pytest
import torch
from monai.losses import DiceLoss
from torch.nn import functional as F
from torch.testing import assert_close

from meddino_components.losses import RegionDiceCrossEntropyLoss

REGIONS = ((1, 2, 4), (1, 4), (4,))


def batch(n=3, size=(6, 5), seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, 3, *size, generator=generator)
    labels = torch.tensor([0, 1, 2, 4])[torch.randint(4, (n, 1, *size), generator=generator)]
    return logits, labels


def masks(labels):
    return torch.cat([torch.isin(labels, torch.tensor(members)) for members in REGIONS], dim=1).float()


@pytest.mark.parametrize("settings", [{}, {"smooth": 2.0}, {"class_balance": 0.7}])
def test_is_its_formula(settings):
    logits, labels = batch()
    p, y, smooth = logits.double().sigmoid(), masks(labels).double(), settings.get("smooth", 1e-5)
    dims = (0, 2, 3)
    dice = (2 * (p * y).sum(dims) + smooth) / (p.sum(dims) + y.sum(dims) + smooth)
    cross_entropy = []
    for region in range(3):
        inside = y[:, region] == 1
        errors = -torch.where(inside, p[:, region].log(), (1 - p[:, region]).log())
        weights = torch.where(inside, inside.sum(), (~inside).sum()) ** -settings.get("class_balance", 0.0)
        cross_entropy.append((weights * errors).sum() / weights.sum())
    expected = 1 - dice.mean() + sum(cross_entropy) / 3
    found = RegionDiceCrossEntropyLoss(regions=REGIONS, **settings)(logits, labels)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_equals_monais_dice_over_the_batch_and_torchs_cross_entropy():
    logits, labels = batch()
    dice = DiceLoss(sigmoid=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)(logits, masks(labels))
    expected = dice + F.binary_cross_entropy_with_logits(logits, masks(labels))
    assert_close(RegionDiceCrossEntropyLoss(regions=REGIONS)(logits, labels), expected)


def test_a_right_and_sure_prediction_costs_nothing_an_absent_region_neither():
    labels = torch.zeros(1, 1, 4, 4)
    labels[..., :2] = 2
    sure = 100 * (masks(labels) - 0.5)
    for class_balance in (0.0, 0.7):
        loss = RegionDiceCrossEntropyLoss(regions=REGIONS, class_balance=class_balance)
        assert float(loss(sure, labels)) == pytest.approx(0, abs=1e-6)


def test_low_precision_logits_are_summed_in_fp32():
    logits, labels = batch(size=(64, 64))
    loss = RegionDiceCrossEntropyLoss(regions=REGIONS)
    found = loss(logits.bfloat16(), labels.float())
    assert found.dtype == torch.float32
    assert_close(found, loss(logits.bfloat16().float(), labels))


def test_what_does_not_fit_is_an_error():
    logits, labels = batch()
    with pytest.raises(ValueError, match="2 outputs for 3 regions"):
        RegionDiceCrossEntropyLoss(regions=REGIONS)(logits[:, :2], labels)
    labels[0, 0, 0, 0] = 3
    with pytest.raises(ValueError, match="label 3 belongs to no region"):
        RegionDiceCrossEntropyLoss(regions=REGIONS)(logits, labels)


def test_two_processes_give_value_and_gradient_of_one_with_the_doubled_batch(check_segmentation_loss):
    check_segmentation_loss("regions")
