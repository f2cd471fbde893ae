"""requirements.lock is made of constraints.txt, with a hash for every file; lower bounds admit no known hole."""

import re

import pytest
import tomllib
from command_lines import REPOSITORY
from packaging.requirements import Requirement
from packaging.version import Version

# the first release without the hole
FIXED = {
    "filelock": "3.20.3",
    "jinja2": "3.1.6",
    "onnx": "1.21",
    "pillow": "12.1.1",
    "pydicom": "3.0.2",
    "ray": "2.52",
    "tqdm": "4.66.3",
    "transformers": "5.3",
}
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file):
    lines = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if match := re.match(r"([\w.-]+)==([^\s;]+)", line):
            found.setdefault(normal(match[1]), set()).add(match[2])
    return found


def required():
    extras = [text for name, listed in PROJECT["optional-dependencies"].items() for text in listed]
    return [Requirement(text) for text in (*PROJECT["dependencies"], *extras) if not text.startswith("meddino")]


@pytest.mark.parametrize("name", FIXED)
def test_lower_bounds(name):
    bounds = [one for one in required() if normal(one.name) == name]
    assert bounds
    for requirement in bounds:
        lowest = [Version(one.version) for one in requirement.specifier if one.operator == ">="]
        assert lowest, requirement
        assert lowest[0] >= Version(FIXED[name]), requirement


def test_every_locked_file_has_a_hash_and_the_constraints_are_kept():
    text = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^[\w.-]+==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    locked, wanted = pins("requirements.lock"), pins("constraints.txt")
    assert {name: locked[name] for name in locked if name in wanted} == {
        name: wanted[name] for name in wanted if name in locked
    }
    # torch and what a build of it brings are the machine's
    assert not [name for name in locked if re.match("torch|nvidia|cuda|triton", name)]


def test_all_that_the_tests_need_is_locked_within_its_bounds():
    locked, extras = pins("requirements.lock"), PROJECT["optional-dependencies"]
    named = set(re.findall(r"[\w]+", extras["all"][0].partition("[")[2])) | {"package", "dev"}
    texts = [text for name in named for text in extras[name] if not text.startswith("meddino")]
    for requirement in (Requirement(text) for text in (*PROJECT["dependencies"], *texts)):
        if normal(requirement.name) != "torch":
            (version,) = locked[normal(requirement.name)]
            assert requirement.specifier.contains(version), requirement
