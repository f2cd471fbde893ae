"""What a case says about its labels is read as it is meant, or refused with the way out."""

import numpy as np
import pytest
import torch

from meddino_components.data.volumes.partial_labels import (
    annotated_labels,
    check_partial_labels,
    require_whole_labels,
    stated_items,
    stated_values,
    with_stated_values,
)
from meddino_components.errors import InputError
from meddino_components.ignored_label import IGNORE

NAMES = ["background", "liver", "spleen", "left kidney"]


@pytest.mark.parametrize("values", [{7: 1, 2: IGNORE, 1: 7}, {"7": 1, "2": "255", "1": 7}])
def test_values_of_a_file_stand_for_labels_and_others_stay(values):
    labels = np.array([[0, 1, 2], [3, 7, 7]], np.uint8)
    found = with_stated_values(labels, {"label_values": values})
    assert found.tolist() == [[0, 7, 255], [3, 1, 1]]
    assert found.dtype == np.uint8


def test_without_values_the_labels_are_the_same_array():
    labels = np.array([0, 1], np.uint8)
    assert with_stated_values(labels, {}) is labels


@pytest.mark.parametrize("values", [[1, 2], {1: 256}, {"liver": 1}, {-1: 0}, 3])
def test_values_that_are_no_numbers_are_refused_with_the_case(values):
    with pytest.raises(InputError, match=r"^case a: label_values is .*; expected numbers from 0 to 255"):
        stated_values({"case_id": "a", "label_values": values})


def test_annotated_names_become_a_mask_with_the_background():
    case = {"annotated": ["spleen"]}
    assert annotated_labels(case, NAMES).tolist() == [True, False, True, False]
    # BraTS has no label 3: a number without a name hides nothing
    assert annotated_labels(case, {1: "core", 2: "spleen", 4: "x"}, 5).tolist() == [True, False, True, True, False]
    assert annotated_labels({"annotated": []}, NAMES).tolist() == [True, False, False, False]
    assert annotated_labels({}, NAMES) is None
    mask = torch.tensor([True, False])
    assert annotated_labels({"annotated": mask}, NAMES) is mask


@pytest.mark.parametrize(
    ("annotated", "message"),
    [
        (
            ["splen"],
            r"case a: annotated names 'splen'; expected names .*: liver, spleen, left kidney\. Did you mean 'sp",
        ),
        (["background"], r"annotated names 'background'; expected names of labels without the background"),
        ("liver", r"annotated is 'liver'; expected names of labels"),
        ({"liver": 1}, r"annotated is \{'liver': 1\}; expected names"),
    ],
)
def test_names_that_are_no_labels_are_refused_with_the_case(annotated, message):
    with pytest.raises(InputError, match=message):
        annotated_labels({"case_id": "a", "annotated": annotated}, NAMES)


def test_a_class_that_was_not_annotated_but_is_there_is_a_contradiction():
    labels = np.array([0, 1, 3])
    with pytest.raises(
        InputError, match=r"^a\.nii: contains label 3 \(left kidney\), .* only liver was annotated\. Add"
    ):
        check_partial_labels(labels, {"annotated": ["liver"]}, NAMES, "a.nii")
    found = check_partial_labels(labels, {"annotated": ["left kidney", "liver"]}, NAMES, "a.nii")
    assert found["annotated"].tolist() == [True, True, False, True]
    assert check_partial_labels(labels, {}, NAMES, "a.nii") == {}


def test_ignored_voxels_have_to_be_stated():
    labels = np.array([0, IGNORE])
    with pytest.raises(InputError, match=r"a\.nii: contains label 255, .* add label_values to the case: \{255: 1\}"):
        check_partial_labels(labels, {}, NAMES, "a.nii")
    assert check_partial_labels(labels, {"label_values": {"4": 255}}, NAMES, "a.nii") == {}


def test_items_of_an_entry():
    entry = {"image": "a", "annotated": [], "label_values": None, "fold": 1}
    assert stated_items(entry) == {"annotated": []}


@pytest.mark.parametrize("partial", [{"annotated": ["liver"]}, {"label_values": {"4": 255}}])
def test_where_every_label_counts_partial_cases_are_refused(partial):
    whole = {"case_id": "a", "label_values": {"4": 1}}
    require_whole_labels([whole], "scores of patches")
    with pytest.raises(InputError, match=r"^case b: has classes or voxels .* which scores of patches would count"):
        require_whole_labels([whole, {"case_id": "b", **partial}], "scores of patches")
