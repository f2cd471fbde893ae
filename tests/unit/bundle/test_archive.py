"""Archives: the same bytes from the same files, and nothing outside of the folder."""

import stat
import zipfile

import pytest

from meddino_components.bundle import unpack
from meddino_components.bundle.archive import sha1_of, write_archive
from meddino_components.checkpoints import sha256_of
from meddino_components.errors import InputError


@pytest.fixture
def files(tmp_path):
    found = {}
    for name, text in (("b/docs/z.txt", "last"), ("b/configs/a.json", "{}"), ("b/LICENSE", "licence")):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        found[name] = path
    return found


def test_same_files_give_the_same_bytes(files, tmp_path, monkeypatch):
    first = write_archive(files, tmp_path / "first.zip")
    for path in files.values():
        path.touch()
        path.chmod(0o600)
    second = write_archive(dict(reversed(files.items())), tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    assert first == second == sha256_of(tmp_path / "first.zip")
    files["b/docs/z.txt"].write_text("other")
    assert write_archive(files, tmp_path / "third.zip") != first
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        assert archive.namelist() == ["b/LICENSE", "b/configs/a.json", "b/docs/z.txt"]
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_sha1_is_the_published_one_of_abc(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha1_of(tmp_path / "abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"


def test_unpacks_what_was_packed(files, tmp_path):
    sha256 = write_archive(files, tmp_path / "b.zip")
    folder = unpack(tmp_path / "b.zip", tmp_path / "out", sha256=sha256.upper())
    assert folder == tmp_path / "out" / "b"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "LICENSE",
        "configs/a.json",
        "docs/z.txt",
    ]
    assert (folder / "docs" / "z.txt").read_text(encoding="utf-8") == "last"
    with pytest.raises(InputError, match="is already there: remove it"):
        unpack(tmp_path / "b.zip", tmp_path / "out")


def test_another_sha256_is_refused_before_anything_is_written(files, tmp_path):
    write_archive(files, tmp_path / "b.zip")
    with pytest.raises(InputError, match=r"b\.zip: SHA-256 is [0-9a-f]{64}, not 00"):
        unpack(tmp_path / "b.zip", tmp_path / "out", sha256="00")
    assert not (tmp_path / "out").exists()


def archive_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def link(name):
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("b/ok", ""), ("../evil", "x")], "'../evil', which would lie outside its folder"),
        ([("b/ok", ""), ("b/../../evil", "x")], "would lie outside its folder"),
        ([("b/ok", ""), ("/tmp/evil", "x")], "would lie outside its folder"),
        ([("b/ok", ""), ("b\\..\\..\\evil", "x")], "would lie outside its folder"),
        ([("b/ok", ""), ("C:/evil", "x")], "would lie outside its folder"),
        ([("b/ok", ""), (link("b/link"), "/etc/passwd")], "'b/link', which is no plain file"),
        ([("b/ok", ""), ("c/ok", "")], "expected one folder at the top, found b, c"),
        ([("b/ok", ""), ("loose", "")], "'loose' lies beside the bundle's folder"),
        ([], "expected one folder at the top, found nothing"),
    ],
)
def test_hostile_archives_are_refused_as_a_whole(tmp_path, members, message):
    path = archive_of(tmp_path / "hostile.zip", members)
    with pytest.raises(InputError) as error:
        unpack(path, tmp_path / "out")
    assert message in str(error.value)
    assert "hostile.zip" in str(error.value)
    assert not list((tmp_path / "out").rglob("*"))
    assert not (tmp_path / "evil").exists()


def test_an_archive_that_grows_without_end_is_refused(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/models/zeros.pt", bytes(30 * 2**20))
    with pytest.raises(InputError, match="would unpack to"):
        unpack(path, tmp_path / "out")


def test_damage_and_other_files_are_named(files, tmp_path):
    with pytest.raises(InputError, match=r"lost\.zip: no such file"):
        unpack(tmp_path / "lost.zip", tmp_path / "out")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(InputError, match=r"text\.zip: no zip archive, or a damaged one"):
        unpack(tmp_path / "text.zip", tmp_path / "out")
    write_archive(files, tmp_path / "b.zip")
    damaged = (tmp_path / "b.zip").read_bytes().replace(b"licence", b"LICENCE")
    (tmp_path / "b.zip").write_bytes(damaged)
    with pytest.raises(InputError, match="a damaged one"):
        unpack(tmp_path / "b.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def encrypted(path):
    """A zip whose only member says that it is encrypted."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b/LICENSE", "x")
    data = path.read_bytes()
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    changed = bytearray(data)
    changed[local + 6] |= 1
    changed[central + 8] |= 1
    path.write_bytes(changed)


def compressed_otherwise(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("b/LICENSE", "x")


def twice(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b/LICENSE", "x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("b/LICENSE", "y")


def many(path):
    archive_of(path, [(f"b/docs/{number}.md", "") for number in range(5001)])


def deep(path):
    archive_of(path, [("b/" + "a/" * 3000, "")])


def large(path):
    archive_of(path, [("b/docs/x.md", b" " * (17 * 2**20))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (encrypted, "'b/LICENSE', which is encrypted"),
        (compressed_otherwise, "'b/LICENSE', which is compressed by method 14"),
        (twice, "'b/LICENSE' twice"),
        (many, "holds 5001 members, more than 5000"),
        (deep, "which lies 3001 folders deep, more than 12"),
        (large, "'b/docs/x.md', which has 17 MiB, more than 16"),
        (lambda path: archive_of(path, [("b/docs/x.md", ""), ("b/docs/X.md", "")]), "docs/x.md: differs from"),
        (lambda path: archive_of(path, [("../", ""), ("b/LICENSE", "")]), "would lie outside its folder"),
        (lambda path: archive_of(path, [(".ssh/LICENSE", "")]), "its folder is '.ssh'"),
        (lambda path: archive_of(path, [("b;touch ran/LICENSE", "")]), "its folder is 'b;touch ran'"),
        (lambda path: archive_of(path, [("b/LICENSE\n/x", "")]), r"LICENSE\n/x: has no place in a bundle"),
    ],
)  # fmt: skip
def test_archives_that_a_bundle_never_is(tmp_path, make, message):
    path = tmp_path / "hostile.zip"
    make(path)
    with pytest.raises(InputError) as error:
        unpack(path, tmp_path / "out")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
