"""The lists of what a released bundle may call name what there is, and nothing that reaches further."""

import json
import pkgutil
from importlib import import_module

import pytest
from command_lines import REPOSITORY

from meddino_components.__main__ import _COMMANDS
from meddino_components.bundle import allowed


def targets(node):
    if isinstance(node, dict):
        yield from ([node["_target_"]] if "_target_" in node else [])
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def test_components_are_those_that_shipped_configurations_name():
    used = set()
    for path in REPOSITORY.glob("bundles/*/configs/*.json"):
        used |= set(targets(json.loads(path.read_text(encoding="utf-8"))))
    assert not [name for name in sorted(used) if not allowed.is_component(name)]
    assert not (allowed.COMPONENTS | allowed.OTHER_COMPONENTS) - used


@pytest.mark.parametrize("name", sorted(allowed.MONAI_MODULES))
def test_modules_of_monai_exist(name):
    import_module(name)


@pytest.mark.parametrize("name", sorted(name for name in allowed.CALLS if "." in name) + sorted(allowed.VALUES))
def test_functions_and_values_exist(name):
    pkgutil.resolve_name(name)


def test_no_command_of_ours_is_a_component():
    commands = [command for command in _COMMANDS.values() if not isinstance(command, dict)]
    commands += _COMMANDS["figure"].values()
    loaded = {command.load() for command in commands}
    assert len(loaded) > 10
    for name in allowed.COMPONENTS:
        assert pkgutil.resolve_name(name) not in loaded, name
