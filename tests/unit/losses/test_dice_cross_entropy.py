"""The loss against its formula, MONAI's, and itself on two processes."""

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss
from torch.nn import functional as F
from torch.testing import assert_close

from meddino_components.ignored_label import IGNORE
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


@pytest.mark.parametrize(("label", "named"), [(4, "from 0 to 4"), (-1, "from -1 to 3"), (254, "from 0 to 254")])
def test_a_label_out_of_range_is_an_error(label, named):
    logits, labels = batch()
    labels[0, 0, 0, 0] = label
    with pytest.raises(ValueError, match=f"{named}, but the network has classes 0 to 3"):
        DiceCrossEntropyLoss(num_classes=4)(logits, labels)


def test_two_processes_give_value_and_gradient_of_one_with_the_doubled_batch(check_segmentation_loss):
    check_segmentation_loss("classes")


def partial_batch(size=(6, 5)):
    """Three samples of four classes: the first lacks class 2, the second classes 1 and 2; pixels to ignore in each."""
    logits, labels = batch(size=size)
    annotated = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]).bool()
    for sample, classes in enumerate(annotated):
        labels[sample][~classes[labels[sample]]] = 0
    labels[:, :, 0, :2] = IGNORE
    return logits, labels, annotated


def partial_by_hand(z, y, annotated, class_balance=0.0, smooth=1e-5):
    """Marginalised probabilities, sample by sample and pixel by pixel, in numpy and double: z [B, K, n], y [B, n]."""
    n_classes = z.shape[1]
    overlap, predicted, counts, error = (np.zeros(n_classes) for _ in range(4))
    for b in range(len(z)):
        for i in range(z.shape[2]):
            if y[b, i] == IGNORE:
                continue
            p = np.exp(z[b, :, i]) / np.exp(z[b, :, i]).sum()
            unknown = [k for k in range(1, n_classes) if not annotated[b, k]]
            p[0] += p[unknown].sum()
            p[unknown] = 0
            predicted += p
            overlap[y[b, i]] += p[y[b, i]]
            counts[y[b, i]] += 1
            error[y[b, i]] -= np.log(p[y[b, i]])
    dice = (2 * overlap + smooth) / (predicted + counts + smooth)
    w = np.maximum(counts, 1) ** -class_balance
    some = [k for k in range(1, n_classes) if annotated[:, k].any()]
    return 1 - dice[some].mean() + (w * error).sum() / (w * counts).sum()


@pytest.mark.parametrize("class_balance", [0.0, 0.7])
@pytest.mark.parametrize("nowhere", [False, True])
def test_partial_samples_give_value_and_gradient_of_the_formula(class_balance, nowhere):
    logits, labels, annotated = partial_batch(size=(3, 4))
    if nowhere:  # nobody annotated class 2 in this batch
        annotated[2, 2], labels[labels == 2] = False, 0
    logits = logits.double().requires_grad_()
    found = DiceCrossEntropyLoss(num_classes=4, class_balance=class_balance)(logits, labels, annotated)
    found.backward()
    z, y = logits.detach().flatten(2).numpy(), labels.flatten(1).numpy()
    assert float(found) == pytest.approx(partial_by_hand(z, y, annotated.numpy(), class_balance), rel=1e-6)
    # central differences of the formula
    step, gradient = 1e-5, np.zeros_like(z)
    for index in np.ndindex(*z.shape):
        up, down = z.copy(), z.copy()
        up[index] += step
        down[index] -= step
        values = [partial_by_hand(moved, y, annotated.numpy(), class_balance) for moved in (up, down)]
        gradient[index] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(logits.grad.flatten(2).numpy(), gradient, atol=1e-8)


def test_what_an_unannotated_class_is_given_counts_neither_for_nor_against():
    logits, labels, annotated = partial_batch()
    loss, moved = DiceCrossEntropyLoss(num_classes=4), logits.clone()
    # sample 1 knows only class 3: probability may go between background, class 1 and class 2 as it likes
    mass = logits[1, :3].exp().sum(0)
    moved[1, 0], moved[1, 1], moved[1, 2] = (mass * 0.2).log(), (mass * 0.5).log(), (mass * 0.3).log()
    assert_close(loss(moved, labels, annotated), loss(logits, labels, annotated))
    assert abs(loss(moved, labels.clamp(max=3)) - loss(logits, labels.clamp(max=3))) > 1e-3
    ignored = logits.clone()
    ignored[:, :, 0, :2] += 5
    assert_close(loss(ignored, labels, annotated), loss(logits, labels, annotated))


def test_with_everything_annotated_nothing_changes_to_the_last_bit():
    logits, labels = batch(size=(64, 64))
    found = []
    for more in ((), (torch.ones(3, 4, dtype=torch.bool),)):
        leaf = logits.clone().requires_grad_()
        value = DiceCrossEntropyLoss(num_classes=4, class_balance=0.3)(leaf, labels, *more)
        value.backward()
        found.append((value, leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_a_batch_that_nobody_annotated_costs_nothing():
    logits, labels = batch()
    leaf = logits.clone().requires_grad_()
    loss = DiceCrossEntropyLoss(num_classes=4)(leaf, torch.full_like(labels, IGNORE), torch.ones(3, 4).bool())
    loss.backward()
    assert float(loss) == pytest.approx(0, abs=1e-6)
    assert not leaf.grad.any()
    nothing = torch.tensor([[True, False, False, False]] * 3)
    assert float(DiceCrossEntropyLoss(num_classes=4)(logits, labels * 0, nothing)) == pytest.approx(0, abs=1e-6)


def test_a_label_that_was_not_annotated_is_an_error():
    logits, labels, annotated = partial_batch()
    labels[1, 0, 2, 2] = 2
    with pytest.raises(ValueError, match="label 2 is in a sample in which it was not annotated"):
        DiceCrossEntropyLoss(num_classes=4)(logits, labels, annotated)


def test_two_processes_give_the_same_for_partial_samples(check_segmentation_loss):
    check_segmentation_loss("partial classes")
