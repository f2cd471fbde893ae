"""The loss against its formula, MONAI's, and itself on two processes."""

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss
from torch.nn import functional as F
from torch.testing import assert_close

from meddino_components.ignored_label import IGNORE
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


def partial_batch(size=(6, 5)):
    """The first sample lacks label 4, which is in every region, the second has none, the third lacks label 2."""
    logits, labels = batch(size=size)
    annotated = torch.tensor([[1, 1, 1, 1, 0], [1, 0, 0, 1, 0], [1, 1, 0, 1, 1]]).bool()
    for sample, known in enumerate(annotated):
        labels[sample][~known[labels[sample]]] = 0
    labels[:, :, 0, :2] = IGNORE
    return logits, labels, annotated


def partial_by_hand(z, y, annotated, class_balance=0.0, smooth=1e-5):
    """Region by region over the pixels of samples in which all its labels were annotated: z [B, R, n], y [B, n]."""
    dice, cross_entropy = [], []
    for r, members in enumerate(REGIONS):
        samples = [b for b in range(len(z)) if all(annotated[b, k] for k in members)]
        pairs = [(z[b, r, i], y[b, i] in members) for b in samples for i in range(z.shape[2]) if y[b, i] != IGNORE]
        if not pairs:
            continue
        p, inside = (np.array(column) for column in zip(*pairs, strict=True))
        p = 1 / (1 + np.exp(-p))
        dice.append((2 * p[inside].sum() + smooth) / (p.sum() + inside.sum() + smooth))
        w = np.where(inside, inside.sum(), (~inside).sum()) ** -float(class_balance)
        cross_entropy.append(-(w * np.log(np.where(inside, p, 1 - p))).sum() / w.sum())
    return 1 - np.mean(dice) + np.mean(cross_entropy)


@pytest.mark.parametrize("class_balance", [0.0, 0.7])
@pytest.mark.parametrize("everywhere", [False, True])
def test_partial_samples_give_value_and_gradient_of_the_formula(class_balance, everywhere):
    logits, labels, annotated = partial_batch(size=(3, 4))
    if everywhere:  # each region is known in the first sample
        annotated[0] = True
    logits = logits.double().requires_grad_()
    found = RegionDiceCrossEntropyLoss(regions=REGIONS, class_balance=class_balance)(logits, labels, annotated)
    found.backward()
    z, y = logits.detach().flatten(2).numpy(), labels.flatten(1).numpy()
    assert float(found) == pytest.approx(partial_by_hand(z, y, annotated.numpy(), class_balance), rel=1e-6)
    step, gradient = 1e-5, np.zeros_like(z)
    for index in np.ndindex(*z.shape):
        up, down = z.copy(), z.copy()
        up[index] += step
        down[index] -= step
        values = [partial_by_hand(moved, y, annotated.numpy(), class_balance) for moved in (up, down)]
        gradient[index] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(logits.grad.flatten(2).numpy(), gradient, atol=1e-8)


def test_logits_of_unknown_regions_and_ignored_pixels_do_not_matter():
    logits, labels, annotated = partial_batch()
    loss, moved = RegionDiceCrossEntropyLoss(regions=REGIONS), logits.clone()
    moved[1], moved[2, 0], moved[:, :, 0, :2] = 7.0, -3.0, 4.0
    assert torch.equal(loss(moved, labels, annotated), loss(logits, labels, annotated))
    # the innermost region is known in the third sample, whose label 2 is not
    moved[2, 2] += 1
    assert not torch.equal(loss(moved, labels, annotated), loss(logits, labels, annotated))


def test_with_everything_annotated_nothing_changes_to_the_last_bit():
    logits, labels = batch(size=(64, 64))
    found = []
    for more in ((), (torch.ones(3, 5, dtype=torch.bool),)):
        leaf = logits.clone().requires_grad_()
        value = RegionDiceCrossEntropyLoss(regions=REGIONS, class_balance=0.3)(leaf, labels, *more)
        value.backward()
        found.append((value, leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_a_batch_that_nobody_annotated_costs_nothing():
    logits, labels = batch()
    for labels_now, annotated in (
        (torch.full_like(labels, IGNORE), None),
        (labels * 0, torch.tensor([[True, False, False, True, False]] * 3)),
    ):
        leaf = logits.clone().requires_grad_()
        loss = RegionDiceCrossEntropyLoss(regions=REGIONS)(leaf, labels_now, annotated)
        loss.backward()
        assert float(loss) == 0
        assert not leaf.grad.any()


def test_two_processes_give_the_same_for_partial_samples(check_segmentation_loss):
    check_segmentation_loss("partial regions")
