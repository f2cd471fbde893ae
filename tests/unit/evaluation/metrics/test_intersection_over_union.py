"""IoU of boxes."""

import pytest
import torch

from meddino_components.evaluation import IntersectionOverUnion


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 3 / 5), (4, 0.0)])
def test_shifted_boxes(shift, expected):
    reference, prediction = torch.zeros(2, 10, 4, 4, dtype=torch.bool)
    reference[1:5], prediction[1 + shift : 5 + shift] = True, True
    assert IntersectionOverUnion()(prediction, reference, (1.0, 5.0, 9.0)) == pytest.approx(expected)
