"""`benchmarks/gpu_checks.py` by its command line, on the CPU: what it writes, and that a failure stops nothing."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from command_lines import REPOSITORY
from safetensors.torch import load_file, save_file

SCRIPT = REPOSITORY / "benchmarks" / "gpu_checks.py"
GOLDEN = REPOSITORY / "tests" / "parity" / "golden"


def run_checks(*names, options=(), **variables):
    """Exit status and results by name; the lines printed are those of ``--out``."""
    command = [sys.executable, SCRIPT, "correctness", "--device", "cpu", "--only", *names, *options]
    environment = {**os.environ, "MEDDINO_GOLDEN": str(GOLDEN), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert done.stdout, done.stderr[-3000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {result["name"]: result for result in results}


def without(tmp_path, *packages):
    """For PYTHONPATH: every process finds these packages missing."""
    blocked = "".join(f"sys.modules[{package!r}] = None\n" for package in packages)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{blocked}", encoding="utf-8")
    return str(tmp_path)


def test_numbers_agree_and_each_check_leaves_a_line(tmp_path):
    out = tmp_path / "lines.jsonl"
    status, results = run_checks("vit", "losses", "primus", options=["--out", str(out)])
    assert status == 0, results
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] == list(results.values())
    assert {name: result["status"] for name, result in results.items()} == dict.fromkeys(
        ("vit", "losses", "primus"), "ok"
    )
    for result in results.values():
        assert result["seconds"] > 0
        assert result["error"] is None
        for figure in result["figures"].values():
            assert figure["relative_error"] < figure["limit"]
    # fp32 is no bf16
    assert (
        results["vit"]["figures"]["fp32"]["relative_error"] < 1e-5 < results["vit"]["figures"]["bf16"]["relative_error"]
    )


@pytest.mark.slow
def test_a_failing_check_stops_no_other(tmp_path):
    """Losses that are off by a tenth; the others are right, evaluation by the bundle's own command among them."""
    golden = shutil.copytree(GOLDEN, tmp_path / "golden")
    path = golden / "losses" / "losses.safetensors"
    recorded = load_file(path)
    recorded["koleo.loss"] = recorded["koleo.loss"] * 1.1
    save_file(recorded, path)
    status, results = run_checks("losses", "primus", "evaluation", MEDDINO_GOLDEN=str(golden))
    assert status == 1
    assert results["losses"]["status"] == "failed"
    assert "fp32: koleo is off by 0.09" in results["losses"]["error"]
    assert results["primus"]["status"] == "ok"
    assert results["evaluation"]["status"] == "ok", results["evaluation"]
    assert results["evaluation"]["figures"]["largest_difference"] < 1e-4


def test_a_check_that_takes_too_long_is_ended():
    status, results = run_checks("losses", "primus", options=["--limit-s", "0.05"])
    assert status == 1
    assert [result["error"] for result in results.values()] == ["took longer than 0.05 s"] * 2


@pytest.mark.slow
def test_a_missing_package_is_named_and_itk_is_not_needed(tmp_path):
    status, results = run_checks("ddp", "crops", PYTHONPATH=without(tmp_path, "itk", "blosc2"))
    assert status == 0, results
    assert (results["ddp"]["status"], results["ddp"]["error"]) == ("skipped", "needs blosc2")
    assert results["crops"]["status"] == "ok"


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            "my.InputError: the report needs jinja2 and matplotlib: pip install x",
            "Skipped",
            "needs jinja2 and matplotlib",
        ),
        ("ModuleNotFoundError: No module named 'itk.support'", "Skipped", "needs itk"),
        (
            "ModuleNotFoundError: No module named 'meddino_components.none'",
            "Failed",
            "No module named 'meddino_components",
        ),
        (
            "RuntimeError: mask on cuda:0, input on cpu\nRuntimeError: Failed",
            "Failed",
            "first: RuntimeError: mask on cuda",
        ),
    ],
)
def test_what_stopped_a_command_is_said(tmp_path, monkeypatch, said, kind, message):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    from gpu.bundles import failure_of

    (tmp_path / "said").write_text(f"Traceback\n{said}\n", encoding="utf-8")
    failure = failure_of(tmp_path / "said", "train", 1)
    assert type(failure).__name__ == kind
    assert message in str(failure)
