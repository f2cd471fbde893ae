"""Cells on disk: found again by their identity alone."""

import pytest

from meddino_components.probing.finished_cells import cell_folder, cell_identity, finish_cell, finished_cell


def test_a_cell_is_found_by_what_was_asked(tmp_path):
    identity = cell_identity({"size": 128, "folder": tmp_path})
    assert identity == cell_identity({"folder": tmp_path, "size": 128})
    assert finished_cell(tmp_path / "cell", identity) is None
    finish_cell(tmp_path / "cell", identity, {"dice": [0.5, None]})
    assert finished_cell(tmp_path / "cell", identity) == {"dice": [0.5, None]}
    assert finished_cell(tmp_path / "cell", cell_identity({"size": 256, "folder": tmp_path})) is None


def test_no_two_cells_share_a_folder():
    names = [("a/b", "c"), ("a_b", "c"), ("a b", "c"), ("a", "b__c"), ("a__b", "c"), ("a", "b", "c"), ("A/b", "c")]
    folders = [cell_folder(*of_cell) for of_cell in names]
    assert len({folder.lower() for folder in folders}) == len(names)
    assert folders[0].startswith("a_b__c__")
    assert len(folders[0]) == len("a_b__c__") + 8
    assert cell_folder("a/b", "c") == folders[0]


def test_what_cannot_be_written_leaves_the_earlier_result(tmp_path):
    finish_cell(tmp_path, "a", 1)
    with pytest.raises(TypeError):
        finish_cell(tmp_path, "b", object())
    assert finished_cell(tmp_path, "a") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cell.json"]
