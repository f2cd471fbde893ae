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
from filelock import FileLock
from in_process import write_laptop_model
from label_server import INSTALL, run_inference, small_bundle
from slice_stores import random_slices, write_store
from tiny_settings import TINY_PRETRAINING


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Weights of the laptop's network: labels of noise, but the same ones everywhere."""
    path = tmp_path_factory.mktemp("model") / "model.pt"
    write_laptop_model(path)
    return path


@pytest.fixture
def pretraining_overrides(tmp_path):
    """A store of two small volumes, and settings of stage 1 on it."""
    store = tmp_path / "store"
    write_store(store, [random_slices((48, 64), n=6, seed=seed) for seed in range(2)])
    output = {"output_dir": str(tmp_path / "run"), "teacher_path": str(tmp_path / "run" / "teacher.safetensors")}
    return {**TINY_PRETRAINING, "store": str(store), **output}


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
    # one for all processes of the tests: it takes minutes and 3.5 GB
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, made = shared / "label_venv", shared / "label_venv.made"
    with FileLock(shared / "label_venv.lock"):
        if not made.exists():
            try:
                venv.create(folder, with_pip=True, clear=True)
                for arguments in INSTALL:
                    run_command(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *arguments)
            except (AssertionError, OSError, subprocess.CalledProcessError) as error:
                pytest.skip(
                    f"no environment with MONAI Label: MEDDINO_LABEL_PYTHON is not set and none could be made ({error})"
                )
            made.touch()
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
