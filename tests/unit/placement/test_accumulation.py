"""A batch in pieces gives the gradient of the whole batch, and the names and weights that a run without pieces has."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from training_steps import LOSSES, assert_same, batch, segmenter, step

from meddino_components.errors import InputError
from meddino_components.placement import on_device


@pytest.mark.parametrize("loss", LOSSES)
def test_four_pieces_of_two_give_the_step_of_a_batch_of_eight(loss):
    images, labels = batch()
    whole = segmenter()
    pieces = on_device(copy.deepcopy(whole), "cpu", accumulation_steps=4)
    alone = sum(LOSSES[loss](whole(images[i : i + 2]), labels[i : i + 2]).item() for i in range(0, 8, 2)) / 4
    expected = step(whole, LOSSES[loss], images, labels)
    assert abs(alone - expected[0]) > 1e-2  # the test can tell
    assert_same(step(pieces, LOSSES[loss], images, labels), expected)


def test_pieces_are_computed_one_at_a_time_and_again_in_the_backward_pass_with_what_was_drawn():
    network = segmenter(drop_path_rate=0.5)
    calls = []
    network.backbone.blocks[1].norm2.register_forward_hook(
        lambda module, args, output: calls.append((len(args[0]), args[0].detach().clone()))
    )
    images, labels = batch(7)
    loss = LOSSES["classes"](on_device(network, "cpu", accumulation_steps=3)(images), labels)
    forward = [shown for _, shown in calls]
    calls.clear()
    loss.backward()
    again = [shown for _, shown in calls]
    assert len(forward) == 3
    assert len({len(shown) for shown in forward}) > 1 or len(forward[0]) < 3 * 5
    # the last piece first; nothing but one piece is computed at a time
    assert len(again) == 3
    for first, second in zip(forward, reversed(again), strict=True):
        assert torch.equal(first, second)


def test_what_is_kept_between_the_passes_is_the_images_and_the_logits():
    images, labels = batch()
    kept = {}
    for n_pieces in (1, 4):
        network, sizes = on_device(segmenter(), "cpu", accumulation_steps=n_pieces), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, sizes=sizes: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor
        ):
            LOSSES["classes"](network(images), labels)
        kept[n_pieces] = sum(sizes)
    assert kept[4] <= images.numel() + 4 * labels.numel() + 64
    assert kept[4] < kept[1] / 8


def test_outside_of_training_the_network_sees_the_whole_batch():
    network, seen = segmenter(), []
    network.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    pieces, (images, _) = on_device(network, "cpu", accumulation_steps=4), batch()
    with torch.no_grad():
        pieces(images)
    pieces.eval()(images)
    assert seen == [8, 8]
    pieces.train()(images)
    assert seen[2:] == [2, 2, 2, 2]


class DeeplySupervised(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 3, 1)

    def forward(self, images):
        return [self.first(images), self.second(images[..., ::2, ::2])]


def test_a_list_of_outputs_stays_a_list():
    torch.manual_seed(0)
    network = DeeplySupervised().train().double()
    images, _ = batch()
    found = on_device(copy.deepcopy(network), "cpu", accumulation_steps=3)(images)
    for level, expected in zip(found, network(images), strict=True):
        assert_close(level, expected)


@pytest.mark.parametrize("steps", [0, -2])
def test_fewer_steps_than_one_are_refused(steps):
    with pytest.raises(InputError, match=f"accumulation_steps is {steps}; expected at least 1"):
        on_device(nn.Linear(1, 1), "cpu", accumulation_steps=steps)
