"""Centring and sharpening."""

import torch
from torch.testing import assert_close

from meddino_components.losses import CenteredSoftmax


def test_is_its_formula():
    centered = CenteredSoftmax(n_prototypes=3, center_momentum=0.75)
    logits = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 7.0]])
    assert_close(centered(logits, 0.5), (logits / 0.5).softmax(-1))
    centered.update_center(logits)
    assert_close(centered.center, torch.tensor([[0.5, 0.5, 1.25]]))
    assert_close(centered(logits, 0.5), ((logits - torch.tensor([0.5, 0.5, 1.25])) / 0.5).softmax(-1))
    centered.update_center(logits)
    assert_close(centered.center, torch.tensor([[0.875, 0.875, 2.1875]]))


def test_patches_count_one_by_one():
    images, patches = CenteredSoftmax(n_prototypes=3), CenteredSoftmax(n_prototypes=3)
    logits = torch.arange(24.0).view(2, 4, 3).bfloat16()
    patches.update_center(logits)
    images.update_center(logits.view(8, 3))
    assert torch.equal(images.center, patches.center)
    assert patches(logits, 0.1).shape == logits.shape
    assert patches(logits, 0.1).dtype == torch.float32


def test_nothing_to_learn_from_leaves_the_centre():
    centered = CenteredSoftmax(n_prototypes=2)
    centered.update_center(torch.ones(1, 2))
    before = centered.center.clone()
    centered.update_center(torch.zeros(0, 2))
    assert torch.equal(centered.center, before)
    assert list(centered.state_dict()) == ["center"]


def test_two_processes_have_the_centre_of_one_with_the_doubled_batch(distilled_apart, distilled_alone):
    """Though all masked patches are of the first process."""
    for found in distilled_apart:
        assert_close(found["center"], distilled_alone["center"])
