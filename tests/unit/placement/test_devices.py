"""What is put round a network, and the names in its state."""

import copy
from functools import partial

import pytest
import torch
from training_steps import LOSSES, assert_same, batch, segmenter, step

from meddino_components.placement import on_device, unwrap


def test_the_network_itself_without_settings():
    network = torch.nn.Linear(1, 1)
    assert on_device(network, torch.device("cpu")) is network


def test_names_in_a_state_do_not_depend_on_how_a_network_is_trained():
    network = segmenter()
    wrapped = on_device(copy.deepcopy(network), "cpu", accumulation_steps=2, compile=True)
    assert unwrap(wrapped).state_dict().keys() == network.state_dict().keys()
    assert unwrap(wrapped) is not wrapped


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"drop_path_rate": 0.5, "activation_checkpointing": True}])
@pytest.mark.parametrize("n_pieces", [1, 2])
def test_a_compiled_network_gives_the_step_of_the_plain_one(settings, n_pieces, monkeypatch):
    """Recorded and differentiated as for the default backend, which would spend minutes on a C++ compiler here."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    images, labels = batch(4)
    compiled = on_device(segmenter(**settings), "cpu", accumulation_steps=n_pieces, compile=True)
    if settings:
        # what is dropped is drawn otherwise: it runs, and learns, as the bundles run it
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value, gradients, _ = step(compiled.float(), LOSSES["classes"], images.float(), labels)
        assert value > 0
        assert any(gradient.any() for gradient in gradients.values())
        return
    expected = step(segmenter(), LOSSES["classes"], images, labels)
    assert_same(step(compiled, LOSSES["classes"], images, labels), expected)
    compiled.eval()
    with torch.no_grad():
        assert compiled(images[:3]).shape == (3, 3, 32, 32)
