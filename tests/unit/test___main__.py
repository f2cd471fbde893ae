"""The program: what it loads, prints and returns to the shell."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import environment
from in_process import command

from meddino_components import __main__, __version__
from meddino_components.errors import InputError

# prints what of torch and MONAI was imported, after the command's own output
SCRIPT = """
import atexit, os, sys
atexit.register(lambda: print(sorted({"torch", "monai", "numpy"} & set(sys.modules)), os.environ["OMP_WAIT_POLICY"]))
from meddino_components.__main__ import main
main()
"""


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


@pytest.fixture
def result_of(monkeypatch):
    """Exit status of a command that returns, or raises, what it is given."""

    def call(result):
        def returned() -> object:
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(__main__, "_COMMANDS", {"returned": returned})
        return command("returned")

    return call


@pytest.mark.parametrize(
    ("result", "status", "printed"),
    [
        ("two lines\nof text", 0, "two lines\nof text\n"),
        (Path("a/b.pt"), 0, "a/b.pt\n"),
        (None, 0, ""),
        # a run prints its summary itself
        ({"done": 3, "failed": 0}, 0, ""),
        ({"done": 2, "failed": 1}, 1, ""),
    ],
)
def test_what_is_printed_and_the_exit_status(result_of, capsys, result, status, printed):
    assert result_of(result) == status
    assert capsys.readouterr().out == printed


def test_an_input_error_is_one_line_and_status_2_and_any_other_error_goes_on(result_of, capsys):
    wrapped = RuntimeError("of MONAI")
    wrapped.__cause__ = InputError("a.pt: is empty\n  write it again")
    assert result_of(wrapped) == 2
    assert capsys.readouterr().err == "error: a.pt: is empty; write it again\n"
    with pytest.raises(KeyError, match="ours"):
        result_of(KeyError("ours"))


def test_a_name_that_the_terminal_cannot_show_is_printed_in_escapes(result_of, monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    assert result_of("Größe h\udcfctte") == 0
    shown.flush()
    assert shown.buffer.getvalue() == b"Gr\\xf6\\xdfe h\\udcfctte\n"
