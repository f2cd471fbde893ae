"""The loss against its formula, MONAI's, and itself on two processes."""

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss
from torch.nn import functional as F
from torch.testing import assert_close

from meddino_components.losses import DiceCrossEntropyLoss


def batch(n=3, classes=4, size=(6, 5), seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, *size, generator=generator)
    labels = torch.randint(classes, (n, 1, *size), generator=generator)
    return logits, labels


def by_hand(logits, labels, class_balance=0.0, smooth=1e-5):
    """The formula of the docstring, in numpy and double."""
    z = np.moveaxis(logits.double().numpy(), 1, -1).reshape(-1, logits.shape[1])
    y = labels.numpy().ravel()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    onehot = np.eye(z.shape[1])[y]
    dice = (2 * (p * onehot).sum(0) + smooth) / (p.sum(0) + onehot.sum(0) + smooth)
    w = np.array([(y == k).sum() ** -class_balance for k in y])
    return 1 - dice[1:].mean() - (w * np.log(p[np.arange(len(y)), y])).sum() / w.sum()


@pytest.mark.parametrize(
    ("settings", "case"),
    [
        ({}, {}),
        ({"class_balance": 0.5}, {}),
        ({"smooth": 2.0}, {}),
        ({}, {"n": 1, "classes": 2, "size": (3, 4)}),
        ({"class_balance": 1.0}, {"classes": 6, "size": (3, 4, 2)}),
    ],
)
def test_is_its_formula(settings, case):
    logits, labels = batch(**case)
    found = DiceCrossEntropyLoss(num_classes=logits.shape[1], **settings)(logits, labels)
    assert float(found) == pytest.approx(by_hand(logits, labels, **settings), rel=1e-6)


def test_equals_monais_loss_over_the_batch():
    logits, labels = batch()
    theirs = DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5
    )
    assert_close(DiceCrossEntropyLoss(num_classes=4)(logits, labels), theirs(logits, labels), rtol=1e-6, atol=1e-6)


def test_full_balance_counts_every_class_alike():
    logits, labels = batch()
    balanced, plain = (DiceCrossEntropyLoss(num_classes=4, class_balance=b)(logits, labels) for b in (1.0, 0.0))
    errors = F.cross_entropy(logits, labels[:, 0], reduction="none")
    of_classes = torch.stack([errors[labels[:, 0] == k].mean() for k in range(4)])
    assert_close(balanced - plain, of_classes.mean() - errors.mean(), rtol=1e-5, atol=1e-6)


def test_a_right_and_sure_prediction_costs_nothing_an_absent_class_neither():
    labels = torch.zeros(1, 1, 4, 4, dtype=torch.long)
    labels[..., :2] = 2
    sure = 50 * F.one_hot(labels[:, 0], 4).movedim(-1, 1).float()
    assert float(DiceCrossEntropyLoss(num_classes=4)(sure, labels)) == pytest.approx(0, abs=1e-6)


def test_low_precision_logits_are_summed_in_fp32():
    logits, labels = batch(size=(64, 64))
    found = DiceCrossEntropyLoss(num_classes=4)(logits.bfloat16(), labels.float())
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(by_hand(logits.bfloat16().float(), labels), rel=1e-5)


@pytest.mark.parametrize(("label", "named"), [(4, "from 0 to 4"), (-1, "from -1 to 3"), (255, "from 0 to 255")])
def test_a_label_out_of_range_is_an_error(label, named):
    logits, labels = batch()
    labels[0, 0, 0, 0] = label
    with pytest.raises(ValueError, match=f"{named}, but the network has classes 0 to 3"):
        DiceCrossEntropyLoss(num_classes=4)(logits, labels)


def test_two_processes_give_value_and_gradient_of_one_with_the_doubled_batch(check_segmentation_loss):
    check_segmentation_loss("classes")
