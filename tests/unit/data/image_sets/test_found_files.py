"""Samples whose files are missing, folders that are not there, labels that a set lacks."""

import pytest

from meddino_components.data.image_sets.found_files import chosen_labels, folder_of, with_files
from meddino_components.data.image_sets.image_set import Sample
from meddino_components.errors import InputError


def samples(folder, names):
    paths = [str(folder / name) for name in names]
    return [Sample(sample_id=p, image=p, index=None, patient=p, split="train", labels=(0,)) for p in paths]


def test_missing_files_are_left_out_on_request(tmp_path):
    (tmp_path / "a.png").touch()
    listed = samples(tmp_path, ["a.png", "b.png"])
    assert with_files(listed[:1], table=tmp_path / "t.csv", allow_missing=False) == listed[:1]
    with pytest.raises(InputError, match=r"t\.csv: 1 of 2 listed files do not exist: .*b\.png"):
        with_files(listed, table=tmp_path / "t.csv", allow_missing=False)
    with pytest.warns(UserWarning, match="They are left out"):
        assert with_files(listed, table=tmp_path / "t.csv", allow_missing=True) == listed[:1]


def test_all_missing_is_an_error_all_the_same(tmp_path):
    with pytest.raises(InputError, match="2 of 2 listed files"):
        with_files(samples(tmp_path, ["a", "b"]), table=tmp_path / "t.csv", allow_missing=True)


def test_a_folder_is_made_absolute(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    assert folder_of("set") == tmp_path / "set"
    with pytest.raises(InputError, match="no such folder"):
        folder_of("sets")


def test_labels_stay_in_the_order_of_the_set():
    assert chosen_labels("abc", None, "mine") == ("a", "b", "c")
    assert chosen_labels("abc", ["c", "a"], "mine") == ("a", "c")


@pytest.mark.parametrize("wanted", [["d"], [], "a"])
def test_labels_that_are_no_list_of_the_sets(wanted):
    with pytest.raises(InputError, match=r"mine: labels is .*; expected a list of some of a, b, c"):
        chosen_labels("abc", wanted, "mine")
