"""Labels of nnU-Net: classes, voxels to ignore, and regions in the order in which they are written."""

import numpy as np
import pytest
from set_folders import nnunet_set

from meddino_components.data.cases.nnunet_labels import ignored_values, named_labels, nested_regions
from meddino_components.errors import InputError

TUMOUR = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}


def test_classes_without_the_voxels_to_ignore(tmp_path):
    root = nnunet_set(tmp_path, labels={"background": 0, "liver": 1, "ignore": 2})
    assert named_labels(root) == {0: "background", 1: "liver"}
    assert nested_regions(root) is None


@pytest.mark.parametrize("number", [1, 3, "2"])
def test_ignore_is_the_highest_label(tmp_path, number):
    with pytest.raises(InputError, match=r"'ignore' is .*; expected 2, one more than the other labels"):
        ignored_values(tmp_path, {"background": 0, "liver": 1, "ignore": number})


@pytest.mark.parametrize("enhancing", [[3], 3])
def test_nested_regions(tmp_path, enhancing):
    labels = TUMOUR | {"enhancing": enhancing, "ignore": 4}
    root = nnunet_set(tmp_path, labels=labels, regions_class_order=[1, 2, 3])
    regions = nested_regions(root)
    assert regions.names == ("whole", "core", "enhancing")
    assert (regions.members, regions.written) == (((1, 2, 3), (2, 3), (3,)), (1, 2, 3))
    assert dict(regions.label_names) == {1: "rest of whole", 2: "rest of core", 3: "enhancing"}
    assert regions.innermost(np.array([0, 1, 2, 3])).tolist() == [0, 1, 2, 3]
    assert ignored_values(root, labels) == {4: 255}
    with pytest.raises(InputError, match=r"has regions_class_order.*Train a bundle with regions"):
        named_labels(root)


def test_labels_that_share_a_region_keep_their_numbers_in_their_names(tmp_path):
    root = nnunet_set(tmp_path, labels={"background": 0, "all": [1, 2, 3], "core": [3]}, regions_class_order=[2, 3])
    assert dict(nested_regions(root).label_names) == {1: "rest of all (1)", 2: "rest of all (2)", 3: "core"}
    assert nested_regions(root).written == (2, 3)


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        ({"background": 0, "kidney": [1, 2], "spleen": [3]}, [1, 3]),
        (TUMOUR, [3, 2, 1]),
        ({"background": 0, "core": [2, 3], "whole": [1, 2, 3]}, [2, 1]),
    ],
)
def test_regions_that_are_not_nested(tmp_path, labels, order):
    root = nnunet_set(tmp_path, labels=labels, regions_class_order=order)
    with pytest.raises(InputError, match=r"expected each region inside the one before it.*Reorder 'labels'"):
        nested_regions(root)


@pytest.mark.parametrize(("labels", "order"), [(TUMOUR, [1, 2]), (TUMOUR, 3), (None, [1]), ({"a": "x"}, [1])])
def test_an_order_that_does_not_match_the_regions(tmp_path, labels, order):
    root = nnunet_set(tmp_path, labels=labels, regions_class_order=order)
    with pytest.raises(InputError, match="do not match; expected for each region the list of its labels"):
        nested_regions(root)
