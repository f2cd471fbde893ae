"""Which steps a network's label maps get."""

import pytest

from meddino_components.errors import InputError
from meddino_components.inference import FillHoles, LargestComponent
from meddino_components.inference.postprocessing import chosen_steps, plain_steps, structures_of

STRUCTURES = structures_of(["background", "liver", "spleen"])
LARGEST, FILLED = {"liver": (LargestComponent(),)}, {"spleen": (FillHoles(),)}


def chosen(recorded=None, typed=None):
    recorded = None if recorded is None else plain_steps(recorded)
    return chosen_steps(recorded=recorded, typed=typed, structures=STRUCTURES, source="model.pt")


def test_the_record_decides_and_otherwise_what_is_typed():
    assert chosen() == {}
    assert chosen(typed=LARGEST) == LARGEST
    assert chosen(recorded=LARGEST) == LARGEST
    assert chosen(recorded=LARGEST, typed=LARGEST) == LARGEST
    assert chosen(recorded={}) == {}


def test_false_turns_off_all():
    assert chosen(recorded=LARGEST, typed=False) == chosen(typed=False) == {}


def test_typed_steps_that_contradict_the_record():
    with pytest.raises(
        InputError, match=r"model.pt: its record contradicts .* postprocess is .* in the record, but set"
    ):
        chosen(recorded=LARGEST, typed=FILLED)


def test_a_record_with_an_organ_that_the_network_lacks():
    with pytest.raises(InputError, match=r"model.pt: the post-processing in its record names 'kidney'"):
        chosen(recorded={"kidney": (FillHoles(),)})
