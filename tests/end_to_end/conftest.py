"""What several files of tests start from."""

import os
import shutil
import subprocess
import venv
from functools import partial
from pathlib import Path

import psutil
import pytest
from command_lines import AMOS, BRATS, REPOSITORY, bundle_command, environment, run_command
from in_process import write_laptop_model
from label_server import INSTALL, run_inference, small_bundle
from slice_stores import random_slices, write_store


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Weights of the laptop's network: labels of noise, but the same ones everywhere."""
    path = tmp_path_factory.mktemp("model") / "model.pt"
    write_laptop_model(path)
    return path


@pytest.fixture
def pretraining_overrides(tmp_path):
    """So small that a step takes milliseconds; what is tested does not depend on the size."""
    store = tmp_path / "store"
    write_store(store, [random_slices((48, 64), n=6, seed=seed) for seed in range(2)])
    return {
        "store": str(store),
        "backbone": "vit_mini",
        "weights": "random",
        "random_start::embed_dim": 48,
        "random_start::depth": 2,
        "random_start::layerscale_init": 0.1,
        "n_prototypes": 32,
        "head_hidden_dim": 32,
        "head_bottleneck_dim": 16,
        "epochs": 2,
        "iterations_per_epoch": 3,
        "batch_size": 4,
        "learning_rate": 1.0e-3,
        "warmup_iterations": 2,
        "freeze_last_layer_iterations": 1,
        "teacher_temp_warmup": 2,
        "global_crops_size": 64,
        "local_crops_size": 32,
        "n_local_crops": 2,
        "export_interval": 2,
        "monitor_interval": 2,
        "num_workers": 0,
        "progress": False,
        "amp": False,
        "output_dir": str(tmp_path / "run"),
        "teacher_path": str(tmp_path / "run" / "teacher.safetensors"),
    }


@pytest.fixture
def start():
    """Start a bundle and end what is left of its processes after the test."""
    started = []

    def run(configs, overrides, **kwargs):
        command, pipe = bundle_command(configs, overrides, **kwargs), subprocess.PIPE
        started.append(subprocess.Popen(command, env=environment(), stdout=pipe, stderr=subprocess.STDOUT))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()


@pytest.fixture(scope="session")
def label_variables(tmp_path_factory):
    """Without this project on the path: the bundles bring their components."""
    folder = tmp_path_factory.mktemp("shim")
    # a torchvision for CUDA is imported beside a CPU build of torch
    pairing = (REPOSITORY / "meddino_components" / "embeddings" / "torchvision_pairing.py").read_text(encoding="utf-8")
    (folder / "sitecustomize.py").write_text(f"{pairing}\n\nimport_torchvision()\n", encoding="utf-8")
    return environment(PYTHONPATH=str(folder), PYTHONUNBUFFERED="1")


@pytest.fixture(scope="session")
def label_python(tmp_path_factory):
    if given := os.environ.get("MEDDINO_LABEL_PYTHON"):
        return Path(given)
    folder = tmp_path_factory.mktemp("label_venv") / "venv"
    try:
        venv.create(folder, with_pip=True)
        for arguments in INSTALL:
            run_command(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *arguments)
    except (AssertionError, OSError, subprocess.CalledProcessError) as error:
        pytest.skip(
            f"no environment with MONAI Label: MEDDINO_LABEL_PYTHON is not set and none could be made ({error})"
        )
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def untrained_app(label_python, tmp_path_factory):
    """MONAI Label's stock app with both bundles in its folder of models."""
    folder = tmp_path_factory.mktemp("untrained")
    prefix = Path(run_command(label_python, "-c", "import sys; print(sys.prefix)").strip())
    shutil.copytree(prefix / "monailabel" / "sample-apps" / "monaibundle", folder / "app")
    for bundle in (AMOS, BRATS):
        small_bundle(bundle, folder)
    return folder / "app"


@pytest.fixture(scope="module")
def app(untrained_app, tmp_path_factory):
    """The same app for the tests of a file, which train its models."""
    return shutil.copytree(untrained_app, tmp_path_factory.mktemp("label") / "app")


@pytest.fixture
def by_monai(label_python, app, label_variables):
    return partial(run_inference, label_python, app, label_variables)
