"""Words are judged by the signature of the command that follows them."""

import pytest

from meddino_components.command_line.arguments import Arguments, match_arguments
from meddino_components.errors import InputError


def copy(source: str, target: str, times: int = 1, skip_existing: bool = False, name: str | None = None) -> None:
    """Take texts, a number and a flag."""


def build(*folders: str) -> None:
    """Take any number of words."""


def choose(*folders: str, data: str, margin: float = 0.1) -> None:
    """Take any number of words, and options after them."""


def load(path: str, **overrides: object) -> None:
    """Take any option."""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["patient #12", "out#8"], {"source": "patient #12", "target": "out#8"}),
        (["4711", "2024_01_05"], {"source": "4711", "target": "2024_01_05"}),
        (["$a", "@b", "--name", "%c"], {"source": "$a", "target": "@b", "name": "%c"}),
        (["--skip_existing", "a", "b"], {"source": "a", "target": "b", "skip_existing": True}),
        (["--skip-existing", "False", "a", "b"], {"source": "a", "target": "b", "skip_existing": False}),
        (["a", "b", "--noskip_existing"], {"source": "a", "target": "b", "skip_existing": False}),
        (["a", "--target=b=c", "--times=3"], {"source": "a", "target": "b=c", "times": 3}),
        (["a", "b", "-n", "c"], {"source": "a", "target": "b", "name": "c"}),
        (["a", "b", "-n=c"], {"source": "a", "target": "b", "name": "c"}),
        (["--name=-x", "--", "-a", "--b"], {"source": "-a", "target": "--b", "name": "-x"}),
        (["a", "b", "2"], {"source": "a", "target": "b", "times": 2}),
        (["a", "-3"], {"source": "a", "target": "-3"}),
        (["--target", "b", "a"], {"source": "a", "target": "b"}),
        (["é\udce9", "'q'"], {"source": "é\udce9", "target": "'q'"}),
    ],
)
def test_words_of_a_command_with_names_and_numbers(words, expected):
    assert match_arguments("copy", copy, words) == Arguments(named=expected)


def test_any_number_of_words_and_any_option():
    assert match_arguments("build", build, ["a#1", "[b]"]) == Arguments(more=["a#1", "[b]"])
    assert match_arguments("build", build, []) == Arguments()
    words = ["x", "--depth", "3", "--qkv_bias", "False", "--a::b", "[1]"]
    expected = {"path": "x", "depth": 3, "qkv_bias": False, "a::b": [1]}
    assert match_arguments("load", load, words) == Arguments(named=expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "--skip_exsting"], "copy has no option --skip_exsting: did you mean --skip_existing?"),
        (["a", "b", "-skip"], "copy has no option -skip: did you mean --skip_existing?"),
        (["a", "b", "--notarget"], "copy has no option --notarget"),
        (["a", "b", "-t", "x"], "copy has no option -t"),
        (["a"], "copy needs TARGET: copy SOURCE TARGET"),
        ([], "copy needs SOURCE and TARGET"),
        (["a", "b", "1", "True", "c", "d"], "unexpected word 'd'"),
        (["a", "b", "--name"], "--name has no value: write --name=VALUE"),
        (["a", "b", "--name", "--skip_existing"], "--name has no value"),
        (["a", "b", "--name", "-x"], "--name has no value"),
        (["a", "b", "--times", "1", "--times=2"], "--times is given twice"),
        (["a", "b", "--times", "many"], "--times is 'many'; expected a whole number"),
        (["a", "b", "--skip_existing=maybe"], "--skip_existing is 'maybe'; expected True or False"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(words, message):
    with pytest.raises(InputError) as error:
        match_arguments("copy", copy, words)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_any_number_of_words_with_options_by_name():
    words = ["a", "--data", "d", "b", "--margin=0.5", "c"]
    assert match_arguments("choose", choose, words) == Arguments({"data": "d", "margin": 0.5}, ["a", "b", "c"])
    with pytest.raises(InputError, match="choose needs DATA"):
        match_arguments("choose", choose, ["a", "b"])
