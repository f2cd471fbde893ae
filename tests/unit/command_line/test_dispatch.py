"""fire calls a command with values that were read by its signature, or nothing is called."""

import pytest

from meddino_components.command_line import dispatch
from meddino_components.errors import InputError

CALLS = []


def copy(source: str, target: str, times: int = 1, skip_existing: bool = False, name: str | None = None) -> str:
    """Copy a file.

    Args:
        source: what.
        target: where.
        times: how often.
        skip_existing: pass over.
        name: new.
    """
    CALLS.append((source, target, times, skip_existing, name))
    return f"{source} to {target}"


def build(*folders: str) -> None:
    CALLS.append(folders)


def load(path: str, **overrides: object) -> None:
    CALLS.append((path, overrides))


COMMANDS = {"copy": copy, "build": build, "group": {"load": load, "free": lambda **more: CALLS.append(more)}}


def call(*words):
    CALLS.clear()
    dispatch(COMMANDS, words, name="program", serialize=lambda result: result)
    return CALLS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # nothing of what was typed is evaluated on the way to the function
        (["copy", "$a", "@b", "--name", "%c"], ("$a", "@b", 1, False, "%c")),
        (["copy", "é\udce9", "'q'"], ("é\udce9", "'q'", 1, False, None)),
        (["copy", "--name=-x", "--", "-a", "--b"], ("-a", "--b", 1, False, "-x")),
        (["build", "a#1", "[b]"], ("a#1", "[b]")),
        (["build"], ()),
        (["group", "load", "x", "--depth", "3", "--qkv_bias", "False"], ("x", {"depth": 3, "qkv_bias": False})),
        (["group", "free", "--a::b", "[1]", "--c", "x"], {"a::b": [1], "c": "x"}),
    ],
)
def test_calls_with_what_was_typed(words, expected):
    assert call(*words) == [expected]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["copy", "a", "b", "--skip_exsting"], "copy has no option --skip_exsting: did you mean --skip_existing?"),
        (["copy", "a"], "copy needs TARGET: copy SOURCE TARGET"),
        (["cpy", "a"], "there is no command 'cpy': did you mean copy?"),
        (["group", "--load"], "group has no command '--load': did you mean load?"),
        (["group", "load"], "group load needs PATH: group load PATH"),
    ],
)
def test_refuses_before_anything_is_called(words, message):
    with pytest.raises(InputError) as error:
        call(*words)
    assert message in str(error.value)
    assert CALLS == []


@pytest.mark.parametrize("words", [["copy", "--help"], ["copy", "a", "b", "--help"], ["copy", "-h"]])
def test_help_calls_nothing(words, capsys):
    with pytest.raises(SystemExit) as end:
        call(*words)
    assert end.value.code == 0
    assert "Copy a file." in "".join(capsys.readouterr())
    assert CALLS == []


def test_a_result_is_printed(capsys):
    call("copy", "a", "b")
    assert capsys.readouterr().out == "a to b\n"
