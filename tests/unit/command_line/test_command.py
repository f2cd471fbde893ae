"""Help is read from the source: nothing is imported that takes time, and it is that of the function."""

import inspect
import json
import subprocess
import sys
from collections.abc import Mapping

import pytest
from command_lines import environment

from meddino_components import __version__
from meddino_components.__main__ import _COMMANDS

# prints what of torch and MONAI was imported, after the command's own output
SCRIPT = """
import atexit, os, sys
atexit.register(lambda: print(sorted({"torch", "monai", "numpy"} & set(sys.modules)), os.environ["OMP_WAIT_POLICY"]))
from meddino_components.__main__ import main
main()
"""


def commands(node=_COMMANDS, path=()):
    for name, below in node.items():
        if isinstance(below, Mapping):
            yield from commands(below, (*path, name))
        else:
            yield (*path, name), below


def run(*words, **variables):
    given = environment(**variables)
    given.pop("OMP_WAIT_POLICY", None)
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], env=given | variables, capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize("words", [["--help"], ["segment", "--help"], ["figure", "-h"], ["--version"], []])
def test_help_imports_nothing_that_takes_time(words):
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[] PASSIVE"
    said = done.stdout + done.stderr
    assert f"meddino {__version__}" in said if words == ["--version"] else "SYNOPSIS" in said


def test_an_unknown_command_is_answered_as_fast():
    done = run("sgment", "scan.nii.gz", "out", OMP_WAIT_POLICY="ACTIVE")
    assert done.returncode == 2
    assert "there is no command 'sgment': did you mean segment?" in done.stderr
    # what the user set stays
    assert done.stdout.splitlines()[-1] == "[] ACTIVE"


@pytest.mark.parametrize(("path", "command"), commands(), ids=lambda value: json.dumps(value, default=str))
def test_a_description_is_that_of_the_function(path, command):
    function, described = command.load(), command.described()
    assert inspect.getdoc(described) == inspect.getdoc(function)
    assert inspect.signature(described) == inspect.signature(function)
