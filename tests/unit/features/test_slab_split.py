"""Slabs do not overlap, keep their distance and leave nothing else out."""

from itertools import pairwise

import pytest

from meddino_components.errors import InputError
from meddino_components.features.slab_split import Slab, excluded_slices, slices_of, split_slabs


def test_by_hand():
    slabs = split_slabs(20, roles=["pretrain", "train", "test"], gap=2)
    assert slabs == [Slab("pretrain", 0, 5), Slab("train", 7, 12), Slab("test", 14, 20)]
    assert slices_of(slabs, "train") == [7, 8, 9, 10, 11]
    assert excluded_slices(20, slabs, "pretrain") == list(range(5, 20))


@pytest.mark.parametrize("n_slices", [12, 29, 112, 1001])
@pytest.mark.parametrize("roles", [["a"], ["a", "b"], ["a", "b", "b", "a", "c"], ["a", "a"]])
@pytest.mark.parametrize("gap", [0, 1, 2])
def test_distance_and_thickness(n_slices, roles, gap):
    slabs = split_slabs(n_slices, roles=roles, gap=gap)
    assert [slab.role for slab in slabs] == roles
    assert slabs[0].first == 0
    assert slabs[-1].last == n_slices
    for below, above in pairwise(slabs):
        assert above.first - below.last == (gap if above.role != below.role else 0)
    thickness = [slab.last - slab.first for slab in slabs]
    assert min(thickness) >= 1
    assert max(thickness) - min(thickness) <= 1


@pytest.mark.parametrize("settings", [{"roles": [], "gap": 0}, {"roles": ["a", "b"], "gap": 9}, {"roles": ["a"] * 11}])
def test_too_few_slices(settings):
    with pytest.raises(InputError, match="10 slices cannot be split"):
        split_slabs(10, **{"gap": 0, **settings})
