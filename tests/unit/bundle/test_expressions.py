"""Expressions are judged by their syntax tree, without being evaluated."""

import pytest

from meddino_components.bundle.expressions import expression_problem


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


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("$9**9", "uses Pow"),
        ("$[x for x in (1,)]", "uses ListComp"),
        ("$lambda torch: 1", "uses torch as an argument"),
        ("$lambda *x: 1", "uses a lambda with more than plain arguments"),
        ("$@device.run(all=1)", "uses run with named arguments"),
        ("$@device.__class__", "uses __class__"),
        ("$@##device", "uses a relative reference: write the whole name"),
        ("$" + "1+" * 1500 + "1", "is longer than 2000 characters"),
        ("$" + "-" * 1900 + "1", "is nested too deeply"),
    ],
)
def test_what_computes_too_much_or_hides_a_name_is_refused(expression, problem):
    assert expression_problem(expression) == problem
