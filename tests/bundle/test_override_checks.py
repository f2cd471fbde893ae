"""Keys that nothing reads are refused with the one that was meant."""

import subprocess

import pytest
from bundle_configs import BUNDLES, COMBINED, COMPLETE, label, read, read_json
from command_lines import AMOS, BENCHMARK, bundle_command, run_preloaded
from monai.bundle import ConfigComponent, ConfigParser

import meddino_components
from meddino_components.bundle.checks import check_keys
from meddino_components.bundle.own_files import read_own_files
from meddino_components.errors import InputError


@pytest.mark.parametrize("case", COMBINED, ids=label)
def test_the_bundles_own_overlays_pass(case):
    bundle, (name, *overlays) = case
    config = {**read(bundle, name, *overlays), "bundle_root": str(bundle)}
    own = read_own_files(config, name, overlays)
    assert own is not None
    assert config["check"]["configuration"] == name
    assert list(config["check"]["overlays"]) == overlays
    parser = ConfigParser(config)
    parser.resolve_macro_and_relative_ids()
    check_keys(parser.get(), own, complete=not overlays)


@pytest.mark.parametrize(
    ("bundle", "names", "key"),
    [
        (AMOS, ["train"], "dicom_seg"),
        (AMOS, ["inference"], "epochs"),
        (AMOS, ["inference"], "dataset_layout"),
        (AMOS, ["inference", "laptop"], "epochs"),
        (AMOS, ["inference", "inference_exported"], "weights"),
        (BENCHMARK, ["sweep"], "weights"),
        (BENCHMARK, ["sweep", "laptop"], "backbone"),
        (BENCHMARK, ["classify", "laptop"], "models"),
    ],
)
def test_a_key_of_another_configuration_is_refused(bundle, names, key):
    config = {**read(bundle, *names), "bundle_root": str(bundle), key: "mine"}
    with pytest.raises(InputError, match=f"reads no key '{key}'"):
        check_keys(config, read_own_files(config, names[0], names[1:]), complete=len(names) == 1)


@pytest.mark.parametrize("case", COMPLETE, ids=label)
def test_nothing_is_made_before_the_check(case, monkeypatch):
    made = []
    instantiate = ConfigComponent.instantiate

    def recorded(self, **kwargs):
        made.append(self.get_id())
        return instantiate(self, **kwargs)

    monkeypatch.setattr(ConfigComponent, "instantiate", recorded)
    for entry in {"run", "training", "network_def"} & set(read_json(*case)):
        made.clear()
        config = {**read_json(*case), "unknown_one": 1, "bundle_root": str(case[0])}
        first = f"{entry}::0" if isinstance(config[entry], list) else entry
        with pytest.raises(RuntimeError):
            ConfigParser(config).get_parsed_content(first)
        assert made == ["check"]


def last_line(configs, overrides, bundle=AMOS, **kwargs):
    """Status and last line of a stock run of files of a bundle."""
    command = bundle_command(configs, overrides, bundle=bundle, **kwargs)
    done = run_preloaded(*command, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.splitlines()[-1], done.stdout


@pytest.mark.parametrize(
    ("configs", "overrides", "line"),
    [
        (["train"], {"epoch": 3}, "error: the configuration reads no key 'epoch': did you mean 'epochs'?"),
        (
            ["train"],
            {"output_dir": "$print('evaluated')"},
            "error: --output_dir: '$print('evaluated')' begins with",
        ),
        (
            ["train"],
            {"loss": {"_target_": "DiceCELos"}},
            "error: 'loss': there is no component 'DiceCELos': did you mean DiceCELoss? ",
        ),
        (
            ["train"],
            {"loss": {"_target_": "my_package.Loss"}},
            "error: 'loss': there is no component 'my_package.Loss'",
        ),
        (["train"], {"roi_size": "100"}, "error: 'roi_size' is [100, 100]; expected multiples of 16, such as [96, 96]"),
        (["train"], {"epochs": "2.5"}, "error: 'epochs' is 2.5; expected a whole number of at least 1"),
        (["train"], {"amp": "yes"}, "error: 'amp' is 'yes'; expected True or False"),
        (["train"], {"device": "gpu"}, "error: 'device' is 'gpu'; expected a device of this machine, such as cpu"),
        (["train"], {"dataset_dir": "2024_01_05"}, "error: {cwd}/2024_01_05/dataset.json: no such file; "),
        (["train"], {"dataset_dir": "/no/patient #12"}, "error: /no/patient #12/dataset.json: no such file; "),
    ],
)
def test_the_last_line_of_a_stock_run(configs, overrides, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rc, last, output = last_line(configs, {"output_dir": str(tmp_path), **overrides})
    assert rc == 2
    assert last.startswith(line.format(cwd=tmp_path))
    assert "Traceback" not in output
    assert "\nevaluated" not in output


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_bundles_name_the_components_they_are_committed_with(bundle):
    assert read_json(bundle, "metadata")["meddino_components_version"] == meddino_components.__version__
