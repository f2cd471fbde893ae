"""Dice of boxes."""

import pytest
import torch

from meddino_components.evaluation import Dice


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.75), (4, 0.0)])
def test_shifted_boxes(shift, expected):
    reference, prediction = torch.zeros(2, 10, 4, 4, dtype=torch.bool)
    reference[1:5], prediction[1 + shift : 5 + shift] = True, True
    assert Dice()(prediction, reference, (1.0, 5.0, 9.0)) == expected
