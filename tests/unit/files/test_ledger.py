"""Whose each file of a folder is, by the record that lies beside them."""

import json
import os

import pytest
from filelock import FileLock

from meddino_components.errors import InputError
from meddino_components.files import ledger, sha256_of
from meddino_components.files.ledger import Ledger, open_ledger

NOT_UTF8 = os.fsdecode(b"h\xfctte.txt")


@pytest.fixture
def folder(tmp_path):
    """A file of ours, one that was edited, a log that grows, one of the user's, and one that is gone."""
    for name in ("ours", "edited", "log", "users", NOT_UTF8):
        (tmp_path / name).write_text(f"content of {name}", errors="surrogateescape")
    with open_ledger(tmp_path) as record:
        for name in ("ours", "edited", NOT_UTF8):
            record.enter(name, [sha256_of(tmp_path / name)])
        record.enter("log", None)
        record.enter("gone", ["0" * 64])
        record.write()
    (tmp_path / "edited").write_text("by hand")
    (tmp_path / "log").write_text("one line more")
    return tmp_path


def test_whose_a_file_is(folder):
    (folder / "link").symlink_to(folder / "ours")
    (folder / "folder").mkdir()
    states = {
        "ours": "ours",
        "edited": "edited",
        "log": "ours",
        "users": "foreign",
        NOT_UTF8: "ours",
        "gone": "absent",
        "never": "absent",
        "link": "foreign",
        "folder": "foreign",
    }
    assert {name: Ledger(folder).state(name) for name in states} == states


def test_a_file_that_is_about_to_be_replaced_is_ours_before_and_after(folder):
    record = Ledger(folder)
    before = sha256_of(folder / "ours")
    (folder / "next").write_text("next")
    record.enter("ours", [before, sha256_of(folder / "next")])
    assert record.state("ours") == "ours"
    (folder / "next").replace(folder / "ours")
    assert record.state("ours") == "ours"


def test_what_is_entered_is_on_the_disk_once_it_is_written(folder):
    record = Ledger(folder)
    record.enter("new", ["1" * 64])
    assert "new" not in Ledger(folder).hashes
    record.write()
    assert Ledger(folder).hashes == record.hashes
    content = json.loads(record.path.read_text(encoding="ascii"))
    assert content["version"] == 1
    assert content["files"]["new"] == ["1" * 64]
    assert content["files"]["log"] is None


def test_a_folder_without_a_record_has_nothing_of_ours(tmp_path):
    assert Ledger(tmp_path).hashes == {}
    (tmp_path / "file").write_text("")
    assert Ledger(tmp_path / "file").hashes == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "is damaged"),
        ('{"version": 1}', "is damaged"),
        ('{"version": 1, "files": 3}', "is damaged"),
        ('{"version": 2, "files": {}}', "has version 2, expected 1. Give another output folder"),
    ],
)
def test_a_record_that_says_nothing_certain_is_refused(folder, content, said):
    Ledger(folder).path.write_text(content)
    with pytest.raises(InputError, match=said) as refused:
        Ledger(folder)
    assert str(refused.value).startswith(f"{folder}/.meddino/files.json: ")
    assert "\n" not in str(refused.value)


def test_a_record_that_another_process_keeps_is_refused_after_a_while(folder, monkeypatch):
    monkeypatch.setattr(ledger, "_WAIT_SECONDS", 0.01)
    with (
        FileLock(folder / ".meddino" / "files.lock"),
        pytest.raises(InputError, match="another process has been writing files there for"),
        open_ledger(folder),
    ):
        pass
    with open_ledger(folder) as record:
        assert record.state("ours") == "ours"
