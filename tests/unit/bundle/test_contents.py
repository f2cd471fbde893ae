"""What a bundle may hold is decided by the names of its files and by their bytes."""

import pytest
from command_lines import REPOSITORY

from meddino_components.bundle.contents import check_what_runs, code_problems, content_problems, one_line
from meddino_components.errors import InputError

GOOD = {
    "LICENSE": b"text",
    "docs/README.md": "text é".encode(),
    "docs/a.png": b"\x89PNG\r\n\x1a\n",
    "models/model.pt": b"\x00",
    "models/model.pt.sha256": b"a" * 64 + b"  model.pt\n",
    "configs/train.json": b'{"epochs": 3}',
    "meddino_components/errors.py": b"anything",
}


def found(files):
    return content_problems(files, files.__getitem__)


def test_what_has_a_place_passes():
    assert found(GOOD) == []


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("evil.py", b"", "evil.py: has no place in a bundle"),
        ("configs/deep/x.json", b"{}", "configs/deep/x.json: has no place in a bundle"),
        ("LICENCE", b"", "LICENCE: has no place in a bundle"),
        ("license", b"", "license: has no place in a bundle"),
        ("docs/x.md", b"\x80\x00", "docs/x.md: is no text"),
        ("docs/a.md", b"a\x00b", "docs/a.md: is no text"),
        ("docs/b.png", b"<svg>", "docs/b.png: is no PNG picture"),
        ("models/b.pt.sha256", b"none", "models/b.pt.sha256: is no SHA-256"),
        ("configs/b.json", b'{"a": "~/x"}', "configs/b.json: '~/x' names a path of one machine"),
    ],
)
def test_what_has_none_is_named(name, content, problem):
    assert problem in found({**GOOD, name: content})


def test_names_that_some_systems_take_for_one():
    (said,) = found({"docs/A.md": b"", "docs/a.md": b""})
    assert said == "docs/a.md: differs from 'docs/A.md' in nothing that every system keeps"


def test_code_is_compared_with_the_package_that_runs():
    own = (REPOSITORY / "meddino_components" / "errors.py").read_bytes()
    files = {"meddino_components/errors.py": own, "meddino_components/new.py": b"", "docs/a.md": b""}
    (said,) = code_problems(files, files.__getitem__)
    assert said.startswith("meddino_components/new.py: is no file of meddino_components ")
    (said,) = code_problems({"meddino_components/errors.py": b""}, lambda name: own + b"#")
    assert said.startswith("meddino_components/errors.py: is not that of meddino_components ")


def test_what_runs_is_checked_with_the_files_beside_it(tmp_path):
    (tmp_path / "configs").mkdir()
    train, other = tmp_path / "configs" / "train.json", tmp_path / "configs" / "other.json"
    train.write_text('{"epochs": 3}')
    other.write_text('{"epochs": "$import os"}')
    check_what_runs(tmp_path, [train])
    with pytest.raises(InputError, match=r"other\.json: the expression .* run it by `python -m monai\.bundle run`"):
        check_what_runs(tmp_path, [train, other])
    (tmp_path / "nibabel").mkdir()
    (tmp_path / "nibabel" / "__init__.py").touch()
    with pytest.raises(InputError, match="nibabel: is code beside the bundle's components"):
        check_what_runs(tmp_path, [train])


def test_the_first_problem_and_the_number_of_others():
    assert one_line(["a"]) == "a"
    assert one_line(["a", "b", "c"]) == "a (and 2 more like it)"
