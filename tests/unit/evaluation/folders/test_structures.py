"""Structures are matched by name, and what does not match is told."""

import re
from dataclasses import replace

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
        ({"liver": "spleen"}, "p: 'liver' and 'spleen' both stand for 'spleen'; correct --rename"),
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
    # the same labels under other names are the same regions, but not if names are swapped
    other = replace(REGIONS, names=("whole", "core", "enhancing"))
    assert shared_structures(side("p", *other.names, regions=other), side("r", *names, regions=REGIONS)).names == names
    swapped = replace(REGIONS, names=names[::-1])
    with pytest.raises(InputError, match="expected the same names for the same labels"):
        shared_structures(side("p", *swapped.names, regions=swapped), side("r", *names, regions=REGIONS))
    with pytest.raises(InputError, match="p: has masks, and the other folder has label maps of regions"):
        shared_structures(Side(folder="p", labels=None, names=names), side("r", *names, regions=REGIONS))
    message = "p: has the regions whole tumour .*, r has classes without regions; .*give --reference_labels p"
    with pytest.raises(InputError, match=message):
        shared_structures(side("p", *names, regions=REGIONS), side("r", *names))
    with pytest.raises(InputError, match="give --prediction_labels r"):
        shared_structures(side("p", *names), side("r", *names, regions=REGIONS))
