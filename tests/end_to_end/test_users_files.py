"""Commands beside files of the user's, and beside each other: nothing is replaced, nothing is mixed."""

import json
import shutil
import subprocess
import sys

import pytest
from command_lines import AMOS, environment, run_preloaded
from in_process import cause, command, run_here

from meddino_components.errors import InputError
from meddino_components.files import held_lock


@pytest.fixture
def scans(phantoms, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(sorted((phantoms / "imagesTr").glob("*.nii.gz"))[0], folder / "scan.nii.gz")
    (folder / "scan.json").write_text('{"EchoTime": 0.1}')
    return folder


def segment(*arguments):
    return command("segment", *arguments, "--bundle", AMOS, "--overlay_config", "laptop", "--modality", "ct")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_scan_and_its_side_car_survive(scans, model, tmp_path, monkeypatch, capsys):
    before = contents(scans)
    (tmp_path / "link").symlink_to(scans)
    monkeypatch.chdir(scans)
    for source, out in (("scan.nii.gz", "."), (scans, scans), (scans, tmp_path / "link")):
        assert segment(source, out, "--model", model) == 2
        assert "scan.nii.gz: is an input of this run" in capsys.readouterr().err.splitlines()[-1]
        assert contents(scans) == before
    settings = {"dataset_dir": str(scans), "output_dir": str(scans), "model_path": str(model), "modality": "ct"}
    with pytest.raises(RuntimeError) as refused:
        run_here(["inference", "laptop"], settings)
    assert "is an input of this run" in str(cause(refused.value))
    assert contents(scans) == before


def test_another_folder_with_a_side_car_of_the_same_name(scans, model, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(scans / "scan.json", out)
    assert segment(scans, out, "--model", model, "--overwrite") == 2
    assert "scan.json: not written by meddino" in capsys.readouterr().err.splitlines()[-1]
    assert (out / "scan.json").read_bytes() == (scans / "scan.json").read_bytes()


def test_a_second_process_is_refused_by_name(scans, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    line = [sys.executable, "-m", "meddino_components", "segment", scans, out, "--bundle", AMOS, "--model", model]
    line += ["--overlay_config", "laptop", "--modality", "ct"]
    with held_lock(out):
        holder = json.loads((out / ".meddino" / "holder.json").read_text(encoding="ascii"))
        done = run_preloaded(*line)
    assert done.returncode == 2
    assert f"another process is writing to it (process {holder['pid']} on {holder['host']}" in done.stderr
    assert contents(out) == {}


@pytest.mark.slow
def test_a_locale_without_utf8_loses_no_summary(scans, model, tmp_path):
    (scans / "scan.nii.gz").rename(scans / "Größe.nii.gz")
    line = [sys.executable, "-m", "meddino_components", "segment", scans, tmp_path / "out", "--bundle", AMOS]
    line += ["--model", model, "--overlay_config", "laptop", "--modality", "ct"]
    variables = environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    done = subprocess.run(list(map(str, line)), env=variables, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "out" / "Größe.nii.gz").is_file()
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["ok"] == 1


def test_skip_existing_computes_again_with_other_settings(scans, model, tmp_path):
    settings = {"dataset_dir": str(scans), "output_dir": str(tmp_path / "out"), "model_path": str(model)}
    settings["overlay"] = False
    for changes, expected in (({}, "ok"), ({}, "skipped"), ({"sw_overlap": 0.25}, "ok"), ({"overlay": True}, "ok")):
        run_here(["inference", "laptop"], {**settings, "modality": "ct", "skip_existing": True, **changes})
        summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
        assert [case["status"] for case in summary["cases"]] == [expected]


def test_a_second_training_is_refused(training_overrides, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text("the user's\n")
    with pytest.raises(RuntimeError) as refused:
        run_here(["train", "laptop"], training_overrides)
    assert isinstance(cause(refused.value), InputError)
    assert "log.jsonl: not written by meddino" in str(cause(refused.value))
    assert not (tmp_path / "run" / "cache").exists() or not list((tmp_path / "run" / "cache").iterdir())
