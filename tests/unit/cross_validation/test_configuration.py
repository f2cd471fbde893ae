import sys

import pytest
from command_lines import AMOS

from meddino_components.cross_validation.configuration import Configuration
from meddino_components.errors import InputError


def configuration(name="train", **overrides):
    files = (str(AMOS / "configs" / f"{name}.json"),)
    return Configuration(bundle_root=AMOS, files=files, run_id="training", overrides=overrides)


def test_the_command_is_that_of_a_user(tmp_path):
    command = configuration(roi_size=[64, 64], weights="random").command({"output_dir": tmp_path / "a b", "fold": 1})
    assert command[:5] == (sys.executable, "-m", "monai.bundle", "run", "training")
    assert command[5:] == (
        "--config_file",
        repr([str(AMOS / "configs" / "train.json")]),
        "--roi_size=[64, 64]",
        "--weights=random",
        f"--output_dir={tmp_path / 'a b'}",
        "--fold=1",
    )


def test_values_are_those_of_a_run_with_the_overrides(phantoms):
    one = configuration(epochs=3, **{"random_start::embed_dim": 64})
    keys = ["epochs", "random_start", "validate::dataset::data"]
    epochs, start, cases = one.values(keys, {"dataset_dir": str(phantoms), "fold": 1, "n_folds": 3})
    assert epochs == 3
    assert start["embed_dim"] == 64
    assert [case["case_id"] for case in cases] == ["amos_0001", "amos_0005"]
    assert one.content()["epochs"] == 1000


def test_wrong_values_are_refused(phantoms):
    with pytest.raises(InputError, match="epochs"):
        configuration(epochs="many").values(["epochs"], {"dataset_dir": str(phantoms)})
    with pytest.raises(InputError, match="did you mean 'train::trainer::max_epochs'"):
        configuration(**{"train::trainer::max_epoch": 3}).values(["epochs"], {"dataset_dir": str(phantoms)})
    with pytest.raises(InputError, match="fold is 7"):
        configuration().values(["validate::dataset::data"], {"dataset_dir": str(phantoms), "fold": 7})
