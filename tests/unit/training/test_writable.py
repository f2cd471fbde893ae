"""A place that cannot be written is found before the first step."""

import pytest

from meddino_components.errors import InputError
from meddino_components.training.writable import check_writable


def test_the_folder_is_made_and_nothing_left_in_it(tmp_path):
    check_writable(tmp_path / "new" / "folder" / "model.pt")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "run").write_text("notes")
    with pytest.raises(InputError, match=r"model\.pt: cannot be written \(.*\)\. Set another `--output_dir`"):
        check_writable(tmp_path / "run" / "model.pt")
    assert (tmp_path / "run").read_text() == "notes"
