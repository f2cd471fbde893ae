"""Steps as plain data and back."""

import json

import pytest

from meddino_components.errors import InputError
from meddino_components.inference import FillHoles, LargestComponent, SmallestSize
from meddino_components.inference.postprocessing import plain_steps, read_steps

STEPS = {
    "liver": (LargestComponent(), FillHoles(connectivity=2)),
    "spleen": (SmallestSize(volume_ml=0.5, connectivity=1),),
}


def test_they_come_back_from_json():
    plain = json.loads(json.dumps(plain_steps(STEPS)))
    assert plain["liver"][0] == {"step": "largest_component", "connectivity": 3}
    assert read_steps(plain, "model.pt") == STEPS


@pytest.mark.parametrize(
    "step",
    [
        {"step": "os.system", "command": "true"},
        {"step": "largest_component", "neighbours": 26},
        {"step": "largest_component", "connectivity": 26},
        {"step": "smallest_size"},
        {"connectivity": 3},
    ],
)
def test_steps_that_this_version_does_not_know(step):
    with pytest.raises(
        InputError, match=r"model.pt: its record has the post-processing .* for 'liver', expected one of "
    ):
        read_steps({"liver": [step]}, "model.pt")
