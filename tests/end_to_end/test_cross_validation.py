"""Cross-validation by the command line that a user types."""

import json
import signal
import subprocess
import sys

import pytest
from command_lines import environment, read_log, wait_for_lines
from tiny_settings import TINY

FOLDS = 2


def command(phantoms, output, **more):
    settings = {key: value for key, value in TINY.items() if key != "progress"}
    given = {"folds": FOLDS, "n_resamples": 100, **settings, **more}
    options = [f"--{key}={value}" for key, value in given.items()]
    return [sys.executable, "-m", "meddino_components", "cross_validate", str(phantoms), str(output), *options]


def run(line, **kwargs):
    return subprocess.run(line, capture_output=True, encoding="utf-8", env=environment(), timeout=1200, **kwargs)


@pytest.fixture(scope="module")
def undisturbed(phantoms, tmp_path_factory):
    """The output folder of a run that nothing interrupted."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    done = run(command(phantoms, output))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == str(output / "report.html")
    assert "fold 1 is finished" in done.stderr
    return output


def check_same(output, expected):
    for number in range(FOLDS):
        fold = f"fold_{number}"
        assert read_log(output / fold) == read_log(expected / fold)
        for name in ("model.pt", "evaluation/metrics.csv"):
            assert (output / fold / name).is_file()
        assert (output / fold / "evaluation" / "metrics.csv").read_bytes() == (
            expected / fold / "evaluation" / "metrics.csv"
        ).read_bytes()
    assert (output / "metrics.csv").read_bytes() == (expected / "metrics.csv").read_bytes()
    found, wanted = (json.loads((one / "metrics.json").read_text(encoding="utf-8")) for one in (output, expected))
    for name in ("cases", "patients", "organs", "intervals", "mean_dice", "mean_hd95_mm"):
        assert found[name] == wanted[name]


@pytest.mark.slow
def test_killed_in_its_second_fold_and_run_again_equals_an_undisturbed_run(phantoms, tmp_path, undisturbed):
    output = tmp_path / "out"
    line = command(phantoms, output)
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for_lines(output / "fold_1", 4, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = (output / "fold_0" / "model.pt").stat().st_mtime_ns

    changed = run([*line, "--learning_rate=0.1"])
    assert changed.returncode == 2
    assert "training learning_rate was not set, now 0.1" in changed.stderr.splitlines()[-1]

    done = run(line)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (output / "fold_0" / "model.pt").stat().st_mtime_ns == finished
    check_same(output, undisturbed)


@pytest.mark.slow
def test_two_folds_at_a_time_equal_one_after_another(phantoms, tmp_path, undisturbed):
    done = run(command(phantoms, tmp_path / "out", workers=2))
    assert done.returncode == 0, done.stderr[-3000:]
    check_same(tmp_path / "out", undisturbed)


@pytest.mark.slow
def test_a_ray_cluster_of_two_workers_gives_the_same(phantoms, tmp_path, undisturbed):
    pytest.importorskip("ray", reason="NOT TESTED: cross_validate --ray, for ray is not installed")
    done = run(command(phantoms, tmp_path / "out", ray=True, workers=2))
    assert done.returncode == 0, done.stderr[-3000:]
    check_same(tmp_path / "out", undisturbed)
