"""Structures are matched by name, and what does not match is told."""

import re

import pytest
from evaluated_cases import REGIONS

from meddino_components.errors import InputError
from meddino_components.evaluation.folders.named_labels import NamedLabels
from meddino_components.evaluation.folders.structures import Side, shared_structures


def side(folder, *names, regions=None):
    labels = NamedLabels(names=dict(enumerate(names, start=1)), source="typed", regions=regions)
    return Side(folder=folder, labels=labels, names=names)


def test_spelling_and_order_make_no_difference():
    found = shared_structures(side("p", "kidney_left", "Liver", "colon"), side("r", "liver", "kidney left", "aorta"))
    assert (list(found.names), list(found.predicted_as)) == (["liver", "kidney left"], ["Liver", "kidney_left"])
    assert (list(found.only_in_references), list(found.only_in_predictions)) == (["aorta"], ["colon"])


def test_renamed():
    predictions, references = side("p", "inferior_vena_cava", "liver"), side("r", "postcava", "liver")
    found = shared_structures(predictions, references, {"inferior vena cava": "postcava"})
    assert list(found.predicted_as) == ["inferior_vena_cava", "liver"]
    assert not found.only_in_references


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"livr": "liver"}, "--rename: 'livr' is not in p, which has liver, spleen. Did you mean 'liver'?"),
        ({"liver": "aorta"}, "--rename: 'aorta' is not in r, which has spleen, liver"),
        ({"liver": "spleen"}, "p: 'liver' and 'spleen' are both 'spleen'; correct --rename"),
    ],
)
def test_wrong_names_of_renamed_structures(rename, message):
    with pytest.raises(InputError, match=re.escape(message)):
        shared_structures(side("p", "liver", "spleen"), side("r", "spleen", "liver"), rename)


def test_nothing_in_common():
    with pytest.raises(InputError, match=r"p: has a; none of them is in r: b\. Map the names by --rename, such as"):
        shared_structures(side("p", "a"), side("r", "b"))


def test_regions_have_to_be_the_same():
    names = REGIONS.names
    found = shared_structures(side("p", *names, regions=REGIONS), side("r", *names, regions=REGIONS))
    assert (found.regions, tuple(found.names)) == (REGIONS, names)
    message = "p: has the regions whole tumour .*, r has classes without regions; .*give --reference_labels p"
    with pytest.raises(InputError, match=message):
        shared_structures(side("p", *names, regions=REGIONS), side("r", *names))
    with pytest.raises(InputError, match="give --labels r"):
        shared_structures(side("p", *names), side("r", *names, regions=REGIONS))
