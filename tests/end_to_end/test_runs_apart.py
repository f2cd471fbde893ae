"""What a run writes and where, and what a resumed one has to have in common with the one before."""

import shutil
import signal
import sys

import psutil
import pytest
import torch
from command_lines import AMOS, PRETRAIN, TORCHRUN, losses, read_log, wait_for_lines
from in_process import run_here
from tiny_settings import TINY

from meddino_components.checkpoints import sha256_of, write_weights
from meddino_components.data import read_datalist
from meddino_components.errors import input_error

WINDOW = {"percentile_00_5": -300, "percentile_99_5": 300, "mean": 60, "std": 70}
KEPT = ("roi_size", "pixdim", "amp")


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A copy as a clone has it: without models/ and output/."""
    copy = shutil.copytree(AMOS, tmp_path / AMOS.name, ignore=shutil.ignore_patterns("models", "output"))
    monkeypatch.setattr(sys, "path", [str(copy), *sys.path])
    return copy


def listing(folder):
    return {str(path.relative_to(folder)): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_defaults_train_and_are_found_by_evaluation_and_inference(bundle, phantoms):
    data = {"dataset_dir": str(phantoms)}
    run_here(["train"], {**TINY, **data}, bundle=bundle)
    assert not (bundle / "models").exists()
    assert {"model.pt", "checkpoint.pt", "log.jsonl"} <= {path.name for path in (bundle / "output").iterdir()}
    kept = {key: TINY[key] for key in KEPT}
    run_here(["evaluate"], {**kept, **data}, bundle=bundle)
    assert (bundle / "output" / "evaluation" / "metrics.json").is_file()
    scan = read_datalist(phantoms, "amos", section="training")[0]["image"]
    run_here(["inference"], {**kept, "dataset_dir": scan, "modality": "ct"}, bundle=bundle)
    assert len(list((bundle / "output" / "segmentations").glob("*.nii.gz"))) == 1
    # a released model beside it: two networks, and nobody said which
    (bundle / "models").mkdir()
    shutil.copy(bundle / "output" / "model.pt", bundle / "models" / "model.pt")
    with pytest.raises(RuntimeError) as error:
        run_here(["evaluate"], {**kept, **data}, bundle=bundle)
    assert "choose one by `--model_path`" in str(input_error(error.value))


def test_folds_and_released_weights_leave_each_other_alone(bundle, phantoms, tmp_path):
    (bundle / "models").mkdir()
    (bundle / "models" / "model.pt").write_bytes(b"released")
    before, settings = listing(bundle / "models"), {**TINY, "dataset_dir": str(phantoms), "epochs": 1}
    run_here(["train"], {**settings, "output_dir": str(tmp_path / "0")}, bundle=bundle)
    first = listing(tmp_path / "0")
    run_here(["train"], {**settings, "output_dir": str(tmp_path / "1"), "fold": 1}, bundle=bundle)
    assert listing(tmp_path / "0") == first
    assert sha256_of(tmp_path / "1" / "model.pt") != first["model.pt"]
    assert listing(bundle / "models") == before


def test_training_from_annotations_replaces_the_served_model_and_keeps_it(bundle, phantoms):
    (bundle / "models").mkdir()
    torch.manual_seed(0)
    run_here(["train"], {**TINY, "dataset_dir": str(phantoms), "epochs": 1}, bundle=bundle)
    model = bundle / "models" / "model.pt"
    served = write_weights(torch.load(bundle / "output" / "model.pt", weights_only=True), model)
    cases = [
        {key: case[key] for key in ("image", "label", "modality")}
        for case in read_datalist(phantoms, "amos", section="training")
    ]
    labels = {"train::dataset::data": cases[:2], "validate::dataset::data": cases[2:3], "bundle_root": str(bundle)}
    trained = sha256_of(bundle / "output" / "model.pt")
    run_here(["train"], {**TINY, "dataset_dir": str(phantoms), **labels}, bundle=bundle)
    assert sha256_of(model) != served
    # Label's default is the file of the shortest name in models/
    assert [path.name for path in (bundle / "models").glob("*.pt")] == ["model.pt"]
    (previous,) = (bundle / "models" / "previous").glob("*.pt")
    assert sha256_of(previous) == served
    assert sha256_of(bundle / "output" / "model.pt") == trained


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fold": 1}, ["fold 0 (this run: 1)", "training cases 4 cases"]),
        ({"pixdim": [5.0, 5.0]}, ["pixdim [6.0, 6.0] (this run: [5.0, 5.0])"]),
        ({"seed": 3}, ["seed 0 (this run: 3)"]),
        ({"learning_rate": 1e-3}, ["learning_rate 0.0003 (this run: 0.001)"]),
        (
            {"network_def::backbone::norm_layer": "layernormbf16"},
            ["backbone::norm_layer None (this run: layernormbf16)"],
        ),
        (
            {"fingerprint": {"percentile_00_5": -300, "percentile_99_5": 300, "mean": 60, "std": 70}},
            ["fingerprint::percentile_00_5 not set (this run: -300)"],
        ),
    ],
)
def test_a_resumed_run_has_the_settings_of_its_checkpoint(training_overrides, finished, changes, said):
    with pytest.raises(RuntimeError) as error:
        run_here(["train"], {**training_overrides, **finished, "epochs": 2, "resume": True, **changes})
    found = str(input_error(error.value))
    for part in said:
        assert part in found


@pytest.fixture(scope="module")
def finished(phantoms, tmp_path_factory):
    """The places of a run of one epoch."""
    folder = tmp_path_factory.mktemp("finished")
    places = {"output_dir": str(folder), "model_path": str(folder / "model.pt")}
    run_here(["train"], {**TINY, **places, "dataset_dir": str(phantoms), "epochs": 1})
    return places


@pytest.mark.slow
def test_a_resumed_run_may_be_longer_elsewhere_and_in_other_processes(training_overrides, tmp_path, phantoms):
    run_here(["train"], {**training_overrides, "epochs": 4})
    part = {**training_overrides, "output_dir": str(tmp_path / "part")}
    run_here(["train"], {**part, "epochs": 2})
    moved = {"dataset_dir": str(shutil.copytree(phantoms, tmp_path / "moved")), "num_workers": 1, "epochs": 4}
    moved |= {"validation_interval": 1, "cache_dir": str(tmp_path / "cache"), "resume": True}
    run_here(["train"], {**part, **moved})
    rates = [line["learning_rates"] for line in read_rates(tmp_path / "part")]
    expected = [line["learning_rates"] for line in read_rates(tmp_path / "run")]
    assert rates[6:] == [pytest.approx(rate) for rate in expected[6:]]
    assert min(rate for pair in rates[6:11] for rate in pair) > 0


def read_rates(output):
    return [line for line in read_log(output) if "loss" in line]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_training_with_a_checkpoint_one_line_and_its_status(training_overrides, tmp_path, start, number):
    process = start(["train"], {**training_overrides, "epochs": 5000, "num_workers": 1, "iterations_per_epoch": 50})
    wait_for_lines(tmp_path / "run", 5, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 128 + number
    assert psutil.wait_procs(children, timeout=15)[1] == []
    done = max(losses(tmp_path / "run"))
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["iteration"] == done
    assert f"interrupted by {number.name}: saved {tmp_path}/run/checkpoint.pt at iteration {done}; continue" in output
    assert "Traceback" not in output


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["multi_gpu_train", "multi_gpu_fsdp"])
def test_processes_agree_on_the_iteration_to_stop_at(pretraining_overrides, tmp_path, start, sharding):
    settings = {**pretraining_overrides, "epochs": 500, "iterations_per_epoch": 50, "batch_size": 2}
    process = start(["train", sharding], settings, launcher=TORCHRUN, bundle=PRETRAIN)
    wait_for_lines(tmp_path / "run", 5, process)
    ranks = [child for child in psutil.Process(process.pid).children() if "RANK" in child.environ()]
    (second,) = [child for child in ranks if child.environ()["RANK"] == "1"]
    second.send_signal(signal.SIGTERM)  # to one alone
    process.communicate(timeout=90)
    done = max(losses(tmp_path / "run"))
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["iteration"] == done
    assert done % 50
