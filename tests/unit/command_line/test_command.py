"""Help that is read from the source is that of the function."""

import inspect
import json
from collections.abc import Mapping

import pytest

from meddino_components.__main__ import _COMMANDS


def commands(node=_COMMANDS, path=()):
    for name, below in node.items():
        if isinstance(below, Mapping):
            yield from commands(below, (*path, name))
        else:
            yield (*path, name), below


@pytest.mark.parametrize(("path", "command"), commands(), ids=lambda value: json.dumps(value, default=str))
def test_a_description_is_that_of_the_function(path, command):
    function, described = command.load(), command.described()
    assert inspect.getdoc(described) == inspect.getdoc(function)
    assert inspect.signature(described) == inspect.signature(function)
