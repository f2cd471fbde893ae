"""Bundles by name: from the checkout, from what is built for a wheel, and copied for `monai.bundle run`."""

import json
import shutil
import subprocess
import sys

import pytest
from command_lines import AMOS, BRATS, REPOSITORY, environment

from meddino_components.bundle import choose_bundle, shipped
from meddino_components.bundle.shipped import SHIPPED, bundle_names, copy_bundle, named_bundle
from meddino_components.errors import InputError


def test_a_name_and_a_folder_mean_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        named_bundle("meddinov3_seg_brats").resolve() == choose_bundle("meddinov3_seg_brats", None).resolve() == BRATS
    )
    assert named_bundle(BRATS) == BRATS
    # a folder of the user's comes first
    (tmp_path / "meddinov3_seg_brats").mkdir()
    assert named_bundle("meddinov3_seg_brats").resolve() == tmp_path / "meddinov3_seg_brats"


def test_a_mistyped_name_is_answered_with_the_bundles_that_are_there():
    with pytest.raises(InputError, match=r"did you mean meddinov3_seg_amos\? There are meddinov3_benchmark, "):
        named_bundle("meddinov3_seg_amso")


def test_the_copy_holds_what_a_user_needs_and_replaces_nothing(tmp_path):
    target = copy_bundle("meddinov3_seg_amos", str(tmp_path / "new"))
    assert target == str(tmp_path / "new" / "meddinov3_seg_amos")
    for path in (AMOS / "configs").iterdir():
        assert (tmp_path / "new" / AMOS.name / "configs" / path.name).read_bytes() == path.read_bytes()
    names = {path.name for path in (tmp_path / "new" / AMOS.name).iterdir()}
    assert names == {"configs", "docs", "LICENSE"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == [AMOS.name]
    with pytest.raises(InputError, match="is there already"):
        copy_bundle("meddinov3_seg_amos", str(tmp_path / "new"))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        copy_bundle("meddinov3_seg_amos", str(tmp_path / "file"))


def test_a_build_for_a_wheel_holds_the_bundles(tmp_path, monkeypatch):
    """What setuptools puts into a wheel, without a checkout beside it."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    ignored = shutil.ignore_patterns("models", "output", "eval", "__pycache__")
    for name in ("bundles", "meddino_components"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignored)
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", tmp_path / "built"]
    subprocess.run(command, cwd=source, env=environment(), check=True, capture_output=True)
    built = tmp_path / "built" / "meddino_components"
    found = sorted(path.parents[1].name for path in (built / SHIPPED).glob("*/configs/metadata.json"))
    assert found == sorted(path.parents[1].name for path in REPOSITORY.glob("bundles/*/configs/metadata.json"))
    assert (built / SHIPPED / AMOS.name / "LICENSE").is_file()
    assert not list((built / SHIPPED).rglob("sources"))
    monkeypatch.setattr(shipped, "_COMPONENTS", str(built / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    assert bundle_names() == found
    root = named_bundle(AMOS.name)
    assert root == built / SHIPPED / AMOS.name
    assert json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))["name"] == AMOS.name
