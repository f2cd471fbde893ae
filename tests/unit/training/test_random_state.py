"""The state of every generator survives a file."""

import random

import numpy as np
import torch

from meddino_components.training.random_state import random_state, set_random_state


def draws():
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), *torch.rand(2).tolist()]  # noqa: NPY002


def test_round_trip_through_a_file_read_with_weights_only(tmp_path):
    random.gauss(0, 1), np.random.randn()  # noqa: NPY002 - each keeps a second value for the next call
    torch.save(random_state(), tmp_path / "state.pt")
    expected = [draws(), draws()]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    assert draws() != expected[0]
    set_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [draws(), draws()] == expected
