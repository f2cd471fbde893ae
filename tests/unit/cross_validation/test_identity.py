import json
from dataclasses import replace

import pytest
from command_lines import AMOS

from meddino_components.cross_validation.configuration import Configuration
from meddino_components.cross_validation.identity import NAME, keep_or_compare, settings_of
from meddino_components.errors import InputError

TRAINING = Configuration(
    bundle_root=AMOS, files=(str(AMOS / "configs" / "train.json"),), run_id="training", overrides={"epochs": 2}
)
CASES = [[{"case_id": "a"}], [{"case_id": "b"}]]


def settings(cases=CASES, **overrides):
    one = replace(TRAINING, overrides={"epochs": 2, **overrides})
    return settings_of(bundle="amos", configurations={"training": one}, cases=cases)


def test_the_same_settings_continue(tmp_path):
    keep_or_compare(tmp_path, settings())
    kept = (tmp_path / NAME).read_text(encoding="utf-8")
    assert json.loads(kept)["training epochs"] == 2
    keep_or_compare(tmp_path, settings())
    # where and how fast it is computed may change
    keep_or_compare(tmp_path, settings(num_workers=3, cache_dir="/elsewhere", device="cpu"))
    assert (tmp_path / NAME).read_text(encoding="utf-8") == kept


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 3}, "training epochs was 2, now 3"),
        ({"learning_rate": 0.1}, "training learning_rate was not set, now 0.1"),
        ({"cases": [CASES[0], [{"case_id": "c"}]]}, "cases of fold 1 was 1 cases?, SHA-256"),
        ({"cases": [*CASES, [{"case_id": "c"}]]}, "folds was 2, now 3"),
    ],
)
def test_a_changed_setting_is_named_with_both_values(tmp_path, changed, message):
    keep_or_compare(tmp_path, settings())
    with pytest.raises(InputError, match=message):
        keep_or_compare(tmp_path, settings(**changed))


def test_a_changed_configuration_is_named(tmp_path):
    copy = tmp_path / "train.json"
    copy.write_text("{}", encoding="utf-8")
    keep_or_compare(tmp_path, settings())
    other = replace(TRAINING, files=(str(copy),))
    with pytest.raises(InputError, match=r"training train.json was SHA-256 \w+, now SHA-256 \w+"):
        keep_or_compare(tmp_path, settings_of(bundle="amos", configurations={"training": other}, cases=CASES))


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / NAME).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=f"{NAME}: cannot be read"):
        keep_or_compare(tmp_path, settings())
