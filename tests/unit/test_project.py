"""No name that is somebody else's is given as something to install or to report to."""

import importlib
import re

import pytest
import tomllib
from command_lines import REPOSITORY

from meddino_components import __version__, project

# a package index takes these for a name of its own
_FROM_AN_INDEX = re.compile(
    r"pip install (?:[\"'])?meddino(?![\w.-]*\.whl)|github\.com/meddino|meddino/meddino|meddino @ "
)
_TEXT = {".py", ".md", ".yaml", ".json", ".toml", ".txt", ".cfg", ".html"}


def test_nothing_names_a_place_that_is_not_ours():
    folders = ["meddino_components", "bundles", "docs", "benchmarks", "demo", "label"]
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*") if path.suffix in _TEXT]
    files += [path for path in REPOSITORY.iterdir() if path.suffix in _TEXT]
    found = [
        f"{path.relative_to(REPOSITORY)}: {match[0]}"
        for path in files
        if "output" not in path.parts
        for match in _FROM_AN_INDEX.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_an_extra_is_one_of_pyproject_and_the_wheel_of_this_version():
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "meddino_components").rglob("*.py"))
    used = set(re.findall(r"extra\([\"'](\w+)[\"']\)", code))
    assert {"report", "hub", "dicom"} <= used <= set(extras)
    assert f"meddino-{__version__}-py3-none-any.whl[hub]" in project.extra("hub")


@pytest.mark.parametrize("address", [None, "https://example.org/owner/meddino"])
def test_one_place_holds_the_address(address, monkeypatch):
    # the package has a function of the same name
    package = importlib.import_module("meddino_components.bundle.package")
    monkeypatch.setattr(package, "ADDRESS", address)
    served = "" if address is None else f"{address}/releases/download/bundles/"
    assert package._served_at(None, "a.zip") == f"{served}a.zip"
    assert package._served_at("https://example.com/", "a.zip") == "https://example.com/a.zip"
