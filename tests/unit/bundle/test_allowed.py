"""The lists of what a released bundle may call name what there is, and nothing that reaches further."""

import json
import pkgutil
from importlib import import_module

import pytest
from command_lines import REPOSITORY

from meddino_components.bundle import allowed
from meddino_components.bundle.expressions import expression_problem


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


@pytest.mark.parametrize(
    "expression",
    [
        "$@output_dir + '/log.jsonl'",
        "$@epochs * @iterations_per_epoch",
        "$@dataset_dir.rstrip('/').split('/')[-1] or 'held out'",
        "$lambda output: output['loss'].item()",
        "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "$monai.handlers.from_engine(['pred', 'label'])",
        "$@failed and exit(1)",
        "$not @validate::dataset::data",
        "$@label_names[1:]",
        "$dict(@regions.label_names)",
    ],
)
def test_what_configurations_compute_is_allowed(expression):
    assert expression_problem(expression) is None


def test_what_is_wrong_is_named():
    assert expression_problem("$torch.load('x')") == "uses torch.load"
    assert expression_problem("$import os") == "is no Python expression"
    assert expression_problem("$@network(1)") == "uses the call of a value"
    assert expression_problem("$torch.device('cpu', 0, 1)") == (
        "uses torch.device with other arguments than 2 by position, named index or type"
    )
