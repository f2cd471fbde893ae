"""What was typed for `monai.bundle run` is what the configuration's readers get, or is refused by name."""

import pytest
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

from meddino_components.bundle.typed_text import restore_typed_text, typed_values
from meddino_components.errors import InputError

CONFIG = {
    "dataset_dir": "",
    "cache": "$@dataset_dir + '/cache'",
    "series": None,
    "epochs": 3,
    "cases": [],
    "reader": {"_target_": "meddino_components.data.list_cases", "source": "x", "modality": "@series"},
    "pair": ["@dataset_dir", "$@dataset_dir"],
}


def resolved(*words, ask="dataset_dir"):
    """As MONAI does it: fire's values in, the check first, then a reader."""
    parser = ConfigParser({**CONFIG, "reader": dict(CONFIG["reader"])})
    for key, text in typed_values(words):
        parser[key] = DefaultParseValue(text or "True")
    parser.parse()
    restore_typed_text(parser, CONFIG, words)
    return parser.get_parsed_content(ask)


@pytest.mark.parametrize(
    "text",
    [
        "patient #12",
        "/abs/out#8",
        "#",
        "4711",
        "2024_01_05",
        "007",
        "1e5",
        "None",
        "True",
        "true",
        "0x10",
        "a, b",
        "(1)",
        "~/scans",
        "./$HOME",
        "./@x",
        "./%x",
        "it's",
        'say "x"',
        "a::b",
        "Ünï \udce9",
        "lambda: 0",
        "[x].nii",
        "{a}.nii",
    ],
)
def test_a_path_arrives_as_typed(text):
    assert resolved("--dataset_dir", text) == text
    assert resolved(f"--dataset_dir={text}", ask="pair") == [text, text]
    assert resolved("--dataset_dir", text, ask="cache") == f"{text}/cache"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'4711'", "4711"),
        ('"patient #12"', "patient #12"),
        ("['a #1', '4711']", ["a #1", "4711"]),
        ("('a', 'b')", ["a", "b"]),
    ],
)
def test_quotes_and_lists_are_read_as_python_writes_them(text, value):
    assert resolved("--dataset_dir", text) == value


def test_a_file_of_such_a_name_comes_before_the_reading(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "['a']").mkdir()
    assert resolved("--dataset_dir", "['a']") == "['a']"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--dataset_dir", "$__import__('os').getcwd()"],
            r"--dataset_dir: .* begins with '\$', .* write \./\$__import__",
        ),
        (["--dataset_dir", "@epochs"], r"begins with '@', which MONAI evaluates: write \./@epochs"),
        (["--dataset_dir", "['a', '@epochs']"], r"'@epochs' begins with '@'"),
        (["--dataset_dir", "[a.nii, b#1.nii]"], r"looks like a list: write each text in quotes"),
        (["--dataset_dir"], r"--dataset_dir has no value"),
        (["--dataset_dir", "a", "--dataset_dir=b"], r"--dataset_dir is given twice"),
        (["--epochs", "3 # for now"], r"--epochs: '3 # for now' is cut at its '#'"),
        (["--reader::source", "a#1"], r"--reader::source: MONAI changes '#' in 'a#1' to '::'"),
    ],
)
def test_what_would_be_evaluated_or_cut_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        resolved(*words)


def test_null_means_null_and_numbers_stay_numbers():
    assert resolved("--series", "None", ask="series") is None
    assert resolved("--series", "2024_01_05", ask="series") == "2024_01_05"
    assert resolved("--epochs", "7", ask="epochs") == 7
    assert resolved("--cases", "[{'image': 'a#1.nii'}]", ask="cases") == [{"image": "a#1.nii"}]


def test_a_nested_text_arrives_as_typed(tmp_path, monkeypatch):
    (tmp_path / "4711").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError) as error:
        resolved("--reader#source", "4711", ask="reader")
    assert "4711" in str(error.value.__cause__)


def test_words_are_parted_as_fire_does():
    words = ["training", "--a", "1", "-b=x=y", "--c", "--d-e", "-3", "--f#g", "h"]
    assert list(typed_values(words)) == [("a", "1"), ("b", "x=y"), ("c", None), ("d_e", "-3"), ("f::g", "h")]
