"""A folder of results: locked for the time of a command, its names checked before anything is computed."""

import pytest
from holding import holder_of

from meddino_components.errors import InputError
from meddino_components.files import OutputFolder, held_lock, is_empty_folder, writes_results


def test_a_second_process_is_refused_in_one_line_that_names_the_first(tmp_path):
    with holder_of(tmp_path) as holder:
        with pytest.raises(InputError) as refused, OutputFolder(tmp_path).held():
            pass
        message = str(refused.value)
        assert "\n" not in message
        assert f"process {holder.pid} on " in message
        assert "Wait for it, or give another output folder" in message
        # through a link it is the same folder
        (tmp_path.parent / "link").symlink_to(tmp_path)
        with pytest.raises(InputError, match=f"process {holder.pid} on"), held_lock(tmp_path.parent / "link"):
            pass


def test_the_parts_of_a_command_share_the_lock(tmp_path):
    with OutputFolder(tmp_path).held(), OutputFolder(tmp_path).held():
        pass
    with holder_of(tmp_path):
        pass


def test_names_are_checked_under_the_lock(tmp_path):
    (tmp_path / "table.csv").write_text("the user's")

    @writes_results("table.csv", "table.md")
    def make_table(*, output_dir):
        raise AssertionError("computed for nothing")

    with pytest.raises(InputError, match=r"table\.csv: not written by meddino"):
        make_table(output_dir=tmp_path)


def test_a_folder_that_cannot_be_made_or_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be created or written to"),
        OutputFolder(tmp_path / "file" / "out").held(),
    ):
        pass
    with pytest.raises(InputError, match="cannot be created or written to"), OutputFolder("/proc/out").held():
        pass


def test_a_folder_with_nothing_but_our_record_is_empty(tmp_path):
    assert is_empty_folder(tmp_path)
    with OutputFolder(tmp_path).held():
        assert is_empty_folder(tmp_path)
    (tmp_path / "a").write_text("")
    assert not is_empty_folder(tmp_path)


def test_names_that_one_file_system_does_not_tell_apart(tmp_path, monkeypatch):
    folder = OutputFolder(tmp_path)
    folder.check(["a.json", "A.json"])
    monkeypatch.setattr("meddino_components.files.output_folder._ignores_case", lambda folder: True)
    with pytest.raises(InputError, match="are the same file"):
        folder.check(["a.json", "A.json"])
