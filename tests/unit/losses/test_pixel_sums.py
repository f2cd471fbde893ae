"""Sums over pixels: exact against double precision, the same in every run, with the gradients of their formulas."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from meddino_components.losses import DiceCrossEntropyLoss, RegionDiceCrossEntropyLoss
from meddino_components.losses.pixel_sums import sigmoid_sums, softmax_sums

# the published batch
N_PIXELS = 8 * 896**2


def softmax_formula(logits, labels):
    p, y = logits.softmax(-1), F.one_hot(labels, logits.shape[1])
    return torch.stack(((p * y).sum(0), p.sum(0), -(p.log() * y).sum(0)))


def sigmoid_formula(logits, inside):
    p, y = logits.sigmoid(), inside.to(logits.dtype)
    return torch.stack(((p * y).sum(0), p.sum(0), -(p.log() * y).sum(0), -((1 - p).log() * (1 - y)).sum(0)))


def pixels(kind, n, n_outputs=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, n_outputs, generator=generator)
    if kind == "classes":
        return softmax_sums, softmax_formula, logits, torch.randint(n_outputs, (n,), generator=generator)
    return sigmoid_sums, sigmoid_formula, logits, torch.rand(n, n_outputs, generator=generator) < 0.3


@pytest.mark.parametrize("kind", ["classes", "regions"])
def test_values_and_gradients_are_those_of_the_formula_in_double(kind):
    sums, formula, logits, reference = pixels(kind, 60_000)  # several pieces, the last one not full
    weights = torch.rand(sums(logits, reference).shape, dtype=torch.float64)
    results = []
    for function, values in ((sums, logits), (sums, logits.double()), (formula, logits.double())):
        leaf = values.clone().requires_grad_()
        found = function(leaf, reference)
        (weights * found).sum().backward()
        results.append((found.detach(), leaf.grad))
    (single, single_gradient), (double, double_gradient), (expected, expected_gradient) = results
    assert single.dtype == torch.float64
    assert_close(single, expected, rtol=1e-6, atol=0)
    assert_close(double, expected, rtol=1e-12, atol=0)
    assert_close(single_gradient.double(), expected_gradient, rtol=1e-5, atol=1e-6)
    assert_close(double_gradient, expected_gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["classes", "regions"])
def test_logits_of_sure_predictions_give_finite_sums_and_gradients(kind):
    sums, _, logits, reference = pixels(kind, 100)
    leaf = (1e4 * logits).requires_grad_()
    found = sums(leaf, reference)
    found.sum().backward()
    assert found.isfinite().all()
    assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_dice_of_a_large_class_is_exact_to_a_millionth(share):
    labels = (torch.arange(N_PIXELS) % 10 < 10 * share).long().view(8, 1, 896, 896)
    # right, and not sure: one probability on each side of the border, so that the exact Dice is known
    logits = torch.tensor([[1.5, -1.5], [-0.4, 0.4]])[labels[:, 0]].movedim(-1, 1)
    inside, outside = torch.tensor([0.8, -3.0], dtype=torch.float64).sigmoid().tolist()
    dice = 2 * share * inside / (share * inside + (1 - share) * outside + share)
    errors = -torch.tensor([inside, 1 - outside], dtype=torch.float64).log()
    cross_entropy = share * errors[0] + (1 - share) * errors[1]
    for loss, shown in (
        (DiceCrossEntropyLoss(num_classes=2), logits),
        (RegionDiceCrossEntropyLoss(regions=((1,),)), logits[:, 1:] - logits[:, :1]),
    ):
        assert float(loss(shown, labels)) == pytest.approx(1 - dice + float(cross_entropy), abs=1e-6)


class Recorded(TorchDispatchMode):
    """Names of all operations that run."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("kind", ["classes", "regions"])
def test_no_operation_adds_in_any_order(kind, device):
    """What CUDA would do by atomic additions; ``meta`` takes the way of a GPU."""
    sums, _, logits, reference = pixels(kind, 100)
    with Recorded() as recorded:
        sums(logits.to(device).requires_grad_(), reference.to(device)).sum().backward()
    atomic = {"index_add", "index_add_", "scatter_add", "scatter_add_", "index_put_", "_index_put_impl_", "put_"}
    atomic |= {"nll_loss_forward", "nll_loss2d_forward", "gather_backward", "embedding_dense_backward", "cumsum"}
    assert recorded.names
    assert not recorded.names & atomic
    assert device == "cpu" or "bincount" not in recorded.names  # with weights it adds so, too


@pytest.mark.parametrize("kind", ["classes", "regions"])
def test_the_way_of_a_gpu_gives_the_same_sums(kind, monkeypatch):
    sums, formula, logits, reference = pixels(kind, 1000)
    monkeypatch.setattr("meddino_components.losses.pixel_sums._on_cpu", lambda values: False)
    assert_close(sums(logits, reference), formula(logits.double(), reference), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "loss", [DiceCrossEntropyLoss(num_classes=4), RegionDiceCrossEntropyLoss(regions=((1, 2, 3), (2, 3), (3,), (3,)))]
)
def test_two_runs_are_equal_to_the_bit_with_deterministic_algorithms(loss):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 4, 128, 128, generator=generator)
    labels = torch.randint(4, (2, 1, 128, 128), generator=generator)
    torch.use_deterministic_algorithms(True)
    try:
        results = []
        for _ in range(2):
            leaf = logits.clone().requires_grad_()
            value = loss(leaf, labels)
            value.backward()
            results.append((value, leaf.grad))
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
