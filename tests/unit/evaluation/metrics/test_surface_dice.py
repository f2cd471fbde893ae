"""Surface Dice of plates a known distance apart."""

import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.evaluation import SurfaceDice


@pytest.mark.parametrize(("tolerance_mm", "expected"), [(2.9, 0.0), (3.0, 1.0), (0.5, 0.0)])
def test_plates_three_mm_apart(tolerance_mm, expected):
    reference, prediction = torch.zeros(2, 8, 6, 6, dtype=torch.bool)
    reference[2], prediction[4] = True, True
    metric = SurfaceDice(tolerance_mm=tolerance_mm)
    assert metric(prediction, reference, (1.5, 1.0, 1.0)) == expected


def test_the_name_says_the_tolerance():
    assert (SurfaceDice().name, SurfaceDice(tolerance_mm=2.5).name) == ("surface_dice_1mm", "surface_dice_2.5mm")


@pytest.mark.parametrize("tolerance_mm", [0, -1, float("nan")])
def test_a_tolerance_is_above_zero(tolerance_mm):
    with pytest.raises(InputError, match="tolerance_mm of SurfaceDice"):
        SurfaceDice(tolerance_mm=tolerance_mm)
