"""What layouts have in common: labels of dataset.json by number, and the images that it lists."""

import pytest
from set_folders import write_json

from meddino_components.data.cases.layout import labels_by_number, listed_images, numbered_labels
from meddino_components.errors import InputError


def test_labels_by_number(tmp_path):
    assert labels_by_number(tmp_path, {"1": "liver", "0": "background"}, number_first=True) == {
        0: "background",
        1: "liver",
    }
    assert labels_by_number(tmp_path, {"liver": 1}, number_first=False) == {1: "liver"}
    assert numbered_labels(write_json(tmp_path, {})) is None
    assert numbered_labels(write_json(tmp_path, {"labels": {"2": "b"}})) == {2: "b"}


@pytest.mark.parametrize("labels", [["a"], None, {"whole": [1, 2]}])
def test_what_is_no_mapping_of_numbers_to_names(tmp_path, labels):
    with pytest.raises(InputError, match=r"dataset\.json: 'labels' is .*; expected one integer id per name"):
        labels_by_number(tmp_path, labels, number_first=False)


def test_two_names_of_one_number(tmp_path):
    with pytest.raises(InputError, match=r"dataset\.json: 'labels' gives two names the same id"):
        labels_by_number(tmp_path, {"a": 1, "b": "1"}, number_first=False)


@pytest.mark.parametrize(
    ("content", "images"),
    [
        (None, []),
        ({"training": "no list"}, []),
        ({"training": [{"image": "a"}, "b"], "test": ["c"]}, ["a", "b"]),
        ({"training": [], "test": ["c"]}, ["c"]),
    ],
)
def test_listed_images(content, images):
    assert listed_images(content) == images
