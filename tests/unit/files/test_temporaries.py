"""Names of temporary files, and what becomes of those of processes that are gone."""

import os
import re

import pytest
from holding import ended_pid

from meddino_components.files import remove_dead_temporaries, temporaries, temporary_beside
from meddino_components.files.temporaries import is_alive, this_machine


def test_suffixes_stay(tmp_path):
    assert temporary_beside(tmp_path / "a.b.nii.gz").name.endswith(".nii.gz")
    assert temporary_beside(tmp_path / "a.png").suffix == ".png"


def test_what_dead_processes_left_is_removed(tmp_path):
    dead = tmp_path / f".meddino-{this_machine()}-{ended_pid()}-00000000.partial.nii.gz"
    folder = tmp_path / f".meddino-{this_machine()}-{ended_pid()}-00000001.partial"
    alive = tmp_path / f".meddino-{this_machine()}-{os.getppid()}-00000000.partial.json"
    elsewhere = tmp_path / f".meddino-000000-{ended_pid()}-00000000.partial.json"
    users = tmp_path / ".meddino-notes.txt"
    folder.mkdir()
    for path in (dead, folder / "image.npy", alive, elsewhere, users):
        path.write_text("x")
    remove_dead_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in (alive, elsewhere, users))


@pytest.mark.parametrize("name", ["noon 12.30 at the clinic in Bern", "line\nbreak.\ncsv", "none", ".hidden"])
def test_what_is_no_suffix_is_left_out(tmp_path, name):
    temporary = temporary_beside(tmp_path / name)
    assert temporary.parent == tmp_path
    assert re.fullmatch(rf"\.meddino-{this_machine()}-{os.getpid()}-[0-9a-f]{{8}}\.partial", temporary.name)


def test_no_two_names_are_equal_and_each_is_known_as_temporary(tmp_path):
    names = {temporary_beside(tmp_path / "a.nii.gz").name for _ in range(100)}
    assert len(names) == 100
    assert all(temporaries._NAME.fullmatch(name)[2] == str(os.getpid()) for name in names)


def test_which_processes_are_alive():
    assert is_alive(os.getpid())
    assert is_alive(1)  # of another user
    assert is_alive(2**70)  # no number of this system: nothing is known
    assert not is_alive(ended_pid())


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path):
    remove_dead_temporaries(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_link_of_a_dead_process_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "notes.txt").write_text("x")
    link = tmp_path / f".meddino-{this_machine()}-{ended_pid()}-00000000.partial"
    link.symlink_to(tmp_path / "users")
    remove_dead_temporaries(tmp_path)
    assert not link.is_symlink()
    assert (tmp_path / "users" / "notes.txt").exists()
