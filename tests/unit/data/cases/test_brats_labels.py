"""The labels of brain tumours by the year of the data."""

import pytest

from meddino_components.data import brats_regions
from meddino_components.errors import InputError


@pytest.mark.parametrize("convention", ["brats2012", "brats2016", "brats2022", "brats2039", "msd"])
def test_each_tissue_has_one_label_and_a_core_of_two_is_written_as_the_first(convention):
    regions = brats_regions(convention)
    whole, core, enhancing = map(set, regions.members)
    names = dict(regions.label_names)
    assert set(names) == whole
    assert {names[label] for label in whole - core} == {"oedema"}
    assert {names[label] for label in enhancing} == {"enhancing tumour"}
    necrotic = core - enhancing
    assert len(necrotic) == (2 if convention in ("brats2012", "brats2016") else 1)
    assert regions.written == (*(whole - core), min(necrotic), *enhancing)
    assert regions.convention == convention


@pytest.mark.parametrize(
    ("convention", "whole", "core", "enhancing", "written"),
    [
        ("brats2013", {1, 2, 3, 4}, {1, 3, 4}, {4}, (2, 1, 4)),
        ("brats2015", {1, 2, 3, 4}, {1, 3, 4}, {4}, (2, 1, 4)),
        ("brats2017", {1, 2, 4}, {1, 4}, {4}, (2, 1, 4)),
        ("brats2021", {1, 2, 4}, {1, 4}, {4}, (2, 1, 4)),
        ("brats2023", {1, 2, 3}, {1, 3}, {3}, (2, 1, 3)),
        ("brats2025", {1, 2, 3}, {1, 3}, {3}, (2, 1, 3)),
        ("msd", {1, 2, 3}, {2, 3}, {3}, (1, 2, 3)),
    ],
)
def test_conventions(convention, whole, core, enhancing, written):
    regions = brats_regions(convention)
    assert regions.names == ("whole tumour", "tumour core", "enhancing tumour")
    assert [set(members) for members in regions.members] == [whole, core, enhancing]
    assert regions.written == written
    assert regions.num_labels == max(whole) + 1


@pytest.mark.parametrize(
    "convention",
    ["brats", "brats21", "brats1999", "brats2011", "brats2040", "brats2021 ", "BraTS2021", 2021, None, "mds"],
)
def test_an_unknown_convention_is_refused(convention):
    with pytest.raises(InputError, match="label_convention is"):
        brats_regions(convention)
