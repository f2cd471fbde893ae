"""Arrays of a case on the grid of its label."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from meddino_components.errors import InputError
from meddino_components.evaluation.scored_case import scored_case

# rows to posterior, columns to the left, slices upwards; 2, 3 and 5 mm
AFFINE = torch.tensor([[0, -3.0, 0, 0], [-2.0, 0, 0, 0], [0, 0, 5.0, 0], [0, 0, 0, 1]], dtype=torch.float64)


def case(**changed):
    rng = np.random.default_rng(0)
    made = {"image": rng.normal(size=(2, 6, 5, 4)), "label": rng.integers(0, 3, (1, 6, 5, 4))}
    volumes = {key: MetaTensor(torch.from_numpy(array), affine=AFFINE) for key, array in made.items()}
    return {"case_id": "a", **volumes, "pred": volumes["label"], **changed}


def test_a_prediction_in_another_orientation_is_brought_back():
    values = case()
    values["pred"] = Orientation(axcodes="RAS", labels=None)(values["label"])
    assert values["pred"].shape == (1, 5, 6, 4)
    found = scored_case(values)
    assert (found.prediction == found.reference).all()
    assert found.reference.shape == (6, 5, 4)
    assert found.image.shape == (2, 6, 5, 4)
    assert (found.spacing_mm, found.axcodes) == ([2.0, 3.0, 5.0], "PLS")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"label": None}, "case a: has no label to compare with"),
        ({"pred": MetaTensor(torch.zeros(3, 6, 5, 4), affine=AFFINE)}, "'pred' is MetaTensor .3, 6, 5, 4.; expected"),
        ({"pred": MetaTensor(torch.zeros(1, 7, 5, 4), affine=AFFINE)}, "'pred' and 'label' lie on different grids"),
    ],
)
def test_what_cannot_be_compared_is_refused(changed, words):
    with pytest.raises(InputError, match=words):
        scored_case(case(**changed))
