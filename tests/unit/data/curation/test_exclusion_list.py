import pytest

from meddino_components.data.curation.exclusion_list import ExclusionList
from meddino_components.errors import InputError

NAMES = ("amos_0007", "AMOS22/amos_0007", "imagesTr/amos_0007.nii.gz", "/data/AMOS 22/imagesTr/amos_0007.nii.gz")


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("amos_0007", True),
        ("AMOS22/amos_0007", True),
        ("imagesTr/amos_0007.nii.gz", True),
        ("/data/AMOS 22/imagesTr/amos_0007.nii.gz", True),
        ("/data/AMOS 22/imagesTr", True),
        ("/data/AMOS 22/imagesTr/", True),
        ("amos_000?", True),
        ("AMOS22/*", True),
        ("/data/*/imagesTr", True),
        ("amos_00[01]7", True),
        ("  amos_0007\t", True),
        ("amos_000", False),
        ("Amos_0007", False),
        ("imagesTs/*", False),
        ("# amos_0007", False),
        ("", False),
    ],
)
def test_lines_name_ids_paths_and_patterns(tmp_path, line, matches):
    path = tmp_path / "exclude.txt"
    path.write_text(f"{line}\n", encoding="utf-8-sig")
    exclusions = ExclusionList(path)
    assert (exclusions.match_name(NAMES) is not None) == matches
    stated = line.strip().rstrip("/")
    assert exclusions.unused() == ([stated] if stated and not matches and not stated.startswith("#") else [])


def test_contents_are_named_by_their_sha256(tmp_path):
    path = tmp_path / "exclude.txt"
    path.write_text("sha256:" + "AB" * 32 + "\n" + "cd" * 32 + "\n")
    exclusions = ExclusionList(path)
    assert exclusions.match_content("ab" * 32) == "sha256:" + "AB" * 32
    assert exclusions.match_content("ef" * 32) is None
    assert exclusions.unused() == ["cd" * 32]


def test_no_list_excludes_nothing():
    exclusions = ExclusionList(None)
    assert exclusions.match_name(NAMES) is None
    assert exclusions.unused() == []


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"lost\.txt: the exclusion list cannot be read"):
        ExclusionList(tmp_path / "lost.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="binary"):
        ExclusionList(tmp_path / "binary")
