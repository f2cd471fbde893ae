"""Cells on disk: found again by their identity alone."""

import pytest

from meddino_components.evaluation.finished_cells import cell_identity, finish_cell, finished_cell


def test_a_cell_is_found_by_what_was_asked(tmp_path):
    identity = cell_identity({"size": 128, "folder": tmp_path})
    assert identity == cell_identity({"folder": tmp_path, "size": 128})
    assert finished_cell(tmp_path / "cell", identity) is None
    finish_cell(tmp_path / "cell", identity, {"dice": [0.5, None]})
    assert finished_cell(tmp_path / "cell", identity) == {"dice": [0.5, None]}
    assert finished_cell(tmp_path / "cell", cell_identity({"size": 256, "folder": tmp_path})) is None


def test_what_cannot_be_written_leaves_the_earlier_result(tmp_path):
    finish_cell(tmp_path, "a", 1)
    with pytest.raises(TypeError):
        finish_cell(tmp_path, "b", object())
    assert finished_cell(tmp_path, "a") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cell.json"]
