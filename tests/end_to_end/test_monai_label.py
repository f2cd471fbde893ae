"""Both segmentation bundles, packaged, in one real MONAI Label server with its stock app for bundles.

The environment is the one of `label/requirements.txt`: ``MEDDINO_LABEL_PYTHON`` names its interpreter, or it is made.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import venv
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brats_volumes import write_brats_case
from command_lines import AMOS, BRATS, REPOSITORY, TINY, environment
from monai.bundle import ConfigParser

from meddino_components.bundle import package, unpack
from meddino_components.checkpoints import sha256_of, write_weights

pytestmark = pytest.mark.slow

REQUIREMENTS = REPOSITORY / "label" / "requirements.txt"
INSTALL = (
    ["torch==2.13.0", "--requirement", str(REQUIREMENTS)],
    ["--no-deps", "monailabel==0.8.5", "pydicom-seg==0.4.1"],
)
SETTINGS = {key: TINY[key] for key in ("backbone", "roi_size", "num_workers", "amp", "progress")}
SETTINGS |= {
    "layerscale_init": 1.0,
    "drop_path_rate": 0.0,
    "batch_size": 2,
    "iterations_per_epoch": 3,
    "overlay": False,
}
PIXDIM = {AMOS.name: [6.0, 6.0], BRATS.name: [2.0, 2.0]}


def run(*command, **kwargs):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def variables(tmp_path_factory):
    """Without this project on the path: the bundles bring their components."""
    folder = tmp_path_factory.mktemp("shim")
    # a torchvision for CUDA is imported beside a CPU build of torch
    shutil.copy(REPOSITORY / "benchmarks" / "torchvision_shim.py", folder / "sitecustomize.py")
    return environment(PYTHONPATH=str(folder), PYTHONUNBUFFERED="1")


@pytest.fixture(scope="session")
def label_python(tmp_path_factory):
    if given := os.environ.get("MEDDINO_LABEL_PYTHON"):
        return Path(given)
    folder = tmp_path_factory.mktemp("label_venv") / "venv"
    try:
        venv.create(folder, with_pip=True)
        for arguments in INSTALL:
            run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *arguments)
    except (AssertionError, OSError, subprocess.CalledProcessError) as error:
        pytest.skip(
            f"no environment with MONAI Label: MEDDINO_LABEL_PYTHON is not set and none could be made ({error})"
        )
    return folder / "bin" / "python"


def small_bundle(source, folder):
    """The bundle with a network that takes milliseconds, random weights of it, packaged and unpacked."""
    copy = shutil.copytree(source, folder / "sources" / source.name, ignore=shutil.ignore_patterns("output", "models"))
    for name in ("train", "inference"):
        path = copy / "configs" / f"{name}.json"
        config = json.loads(path.read_text())
        config |= {key: value for key, value in {**SETTINGS, "pixdim": PIXDIM[source.name]}.items() if key in config}
        path.write_text(json.dumps(config, indent=4))
    del config["network_def"]["_requires_"]
    torch.manual_seed(0)
    network = ConfigParser(config).get_parsed_content("network_def")
    write_weights(network.state_dict(), folder / f"{source.name}.pt")
    archive = package(copy, folder / "dist", model=folder / f"{source.name}.pt")
    return unpack(archive, folder / "app" / "model")


@pytest.fixture(scope="module")
def app(label_python, tmp_path_factory):
    """MONAI Label's stock app with both bundles in its folder of models."""
    folder = tmp_path_factory.mktemp("label")
    prefix = Path(run(label_python, "-c", "import sys; print(sys.prefix)").strip())
    shutil.copytree(prefix / "monailabel" / "sample-apps" / "monaibundle", folder / "app")
    for bundle in (AMOS, BRATS):
        small_bundle(bundle, folder)
    return folder / "app"


@pytest.fixture(scope="module")
def studies(phantoms, tmp_path_factory):
    """A CT on an oblique grid of its own, and a brain in four files."""
    folder = tmp_path_factory.mktemp("studies")
    source = nib.load(sorted((phantoms / "imagesTr").glob("*.nii.gz"))[0])
    turn = np.array([[0.0, -1.0, 0.0], [0.96, 0.0, 0.28], [-0.28, 0.0, 0.96]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(np.linalg.norm(source.affine[:3, :3], axis=0))
    affine[:3, 3] = (12.5, -40.0, 100.0)
    nib.save(nib.Nifti1Image(np.asarray(source.dataobj), affine), folder / "ct.nii.gz")
    label = nib.load(sorted((phantoms / "labelsTr").glob("*.nii.gz"))[0])
    drawings = folder.parent / "drawn"
    drawings.mkdir()
    # as editors save it: wide integers
    nib.save(nib.Nifti1Image(np.asarray(label.dataobj).astype(np.int16), affine), drawings / "ct.nii.gz")
    paths = write_brats_case(folder, "brain", shape=(32, 28, 6))
    drawn = nib.load(paths.pop("seg"))
    nib.save(
        nib.Nifti1Image(drawn.get_fdata().astype(np.float32), drawn.affine), folder.parent / "drawn" / "brain.nii.gz"
    )
    (folder / "brain_seg.nii.gz").unlink()
    return folder


class Server:
    """A MONAI Label server of its own, spoken to as its clients do."""

    def __init__(self, python, app, studies, log, variables, **more_conf):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        conf = {"models": f"{AMOS.name},{BRATS.name}", "zoo_source": "ngc", "sam2": "false", **more_conf}
        command = [python, "-m", "monailabel.main", "start_server", "--app", app, "--studies", studies]
        command += ["--host", "127.0.0.1", "--port", self.url.rpartition(":")[2]]
        for key, value in conf.items():
            command += ["--conf", key, value]
        self.log = log
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=log.parent,
            env=variables,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def wait(self, seconds=600):
        deadline = time.time() + seconds
        while time.time() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                return json.loads(self.request("GET", "/info/"))
            except urllib.error.URLError:
                time.sleep(0.5)
        raise AssertionError(self.log.read_text()[-4000:])

    def wait_for_line(self, text, seconds=30):
        deadline = time.time() + seconds
        while text not in self.log.read_text():
            assert time.time() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.2)

    def request(self, method, path, *, form=None, files=None, body=None, **query):
        headers, data = {}, None
        if form is not None or files:
            boundary = uuid.uuid4().hex
            parts = [(f'name="{key}"', value.encode()) for key, value in (form or {}).items()]
            parts += [
                (f'name="{key}"; filename="{file.name}"', file.read_bytes()) for key, file in (files or {}).items()
            ]
            data = b"".join(
                f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
                for head, value in parts
            )
            data += f"--{boundary}--\r\n".encode()
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        url = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read()

    def infer(self, model, image, folder, **params):
        params = {"device": "cpu", **params}
        body = self.request("POST", f"/infer/{model}", form={"params": json.dumps(params)}, image=image, output="image")
        path = folder / f"{uuid.uuid4().hex}.nii.gz"
        path.write_bytes(body)
        return nib.load(path)

    def train(self, model, run_sync=True, **params):
        body = {"device": "cpu", "max_epochs": 1, **params}
        return self.request("POST", f"/train/{model}", body=body, run_sync=str(run_sync).lower())

    def wait_for_training(self, seconds=240):
        """Of one that was started as the viewers do, in a process of its own."""
        deadline = time.time() + seconds
        while (task := json.loads(self.request("GET", "/train/")))["status"] in ("SUBMITTED", "RUNNING"):
            assert time.time() < deadline, task
            time.sleep(0.5)
        return task["status"]

    def put_label(self, image, label):
        form, files = {"params": "{}"}, {"label": label}
        return self.request("PUT", "/datastore/label", form=form, files=files, image=image, tag="final")


@pytest.fixture(scope="module")
def server(label_python, app, studies, variables, tmp_path_factory):
    started = Server(label_python, app, studies, tmp_path_factory.mktemp("log") / "server.log", variables)
    try:
        started.info = started.wait()
        yield started
    finally:
        started.process.terminate()
        started.process.wait(timeout=30)


@pytest.fixture
def by_monai(label_python, app, variables):
    """`monai.bundle run` of the very bundle in the server's folder, with the server's interpreter."""
    return partial(run_inference, label_python, app, variables)


def run_inference(python, app, variables, bundle, source, output):
    command = [python, "-m", "monai.bundle", "run", "--config_file", app / "model" / bundle / "configs/inference.json"]
    for key, value in {"dataset_dir": source, "output_dir": output, "device": "cpu"}.items():
        command += [f"--{key}", value]
    run(*command, env=variables, cwd=output.parent)


def check_same(found, expected, source):
    assert found.shape == expected.shape == source.shape
    np.testing.assert_allclose(found.affine, source.affine, atol=1e-4)
    assert len(np.unique(np.asarray(expected.dataobj))) > 1
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(expected.dataobj))


def listing(folder):
    return {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_both_bundles_are_served(server):
    models, trainers = server.info["models"], server.info["trainers"]
    assert set(models) == set(trainers) == {AMOS.name, BRATS.name}
    assert models[AMOS.name]["labels"]["liver"] == 6
    assert models[BRATS.name]["labels"] == {"non-enhancing core": 1, "oedema": 2, "enhancing tumour": 4}
    assert models[AMOS.name]["config"]["modality"] == ["DICOM tag", "ct", "mr"]
    assert {"random", "first"} <= set(server.info["strategies"])
    for strategy in ("first", "random"):
        assert json.loads(server.request("POST", f"/activelearning/{strategy}", body={}))["id"]


def test_annotating_organs(server, by_monai, app, studies, tmp_path):
    bundle = app / "model" / AMOS.name
    source = nib.load(studies / "ct.nii.gz")
    before = listing(bundle)
    # nobody said whether it is CT or MR: asked for, not guessed
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.infer(AMOS.name, "ct", tmp_path)
    assert refused.value.code == 500
    server.wait_for_line("CT or MR?")
    found = server.infer(AMOS.name, "ct", tmp_path, modality="ct")
    by_monai(AMOS.name, studies / "ct.nii.gz", tmp_path / "out")
    check_same(found, nib.load(tmp_path / "out" / "ct.nii.gz"), source)
    assert listing(bundle) == before

    model = bundle / "models" / "model.pt"
    first = sha256_of(model)
    for _ in range(2):  # a second training is a run of its own
        server.put_label("ct", studies.parent / "drawn" / "ct.nii.gz")
        server.train(AMOS.name, modality="ct")
        assert sha256_of(model) != first
        again = server.infer(AMOS.name, "ct", tmp_path, modality="ct")
        by_monai(AMOS.name, studies / "ct.nii.gz", tmp_path / "again")
        check_same(again, nib.load(tmp_path / "again" / "ct.nii.gz"), source)
        first = sha256_of(model)
    assert not np.array_equal(np.asarray(again.dataobj), np.asarray(found.dataobj))
    server.request("DELETE", "/datastore/label", id="ct", tag="final")


def test_annotating_brain_tumours(server, by_monai, app, studies, tmp_path):
    """One sequence stands for the case; the others lie beside it."""
    source = nib.load(studies / "brain_t1ce.nii.gz")
    found = server.infer(BRATS.name, "brain_t1ce", tmp_path)
    files = [str(studies / f"brain_{name}.nii.gz") for name in ("flair", "t1", "t1ce", "t2")]
    by_monai(BRATS.name, repr(files), tmp_path / "out")
    check_same(found, nib.load(tmp_path / "out" / "brain.nii.gz"), source)

    model = app / "model" / BRATS.name / "models" / "model.pt"
    first = sha256_of(model)
    server.put_label("brain_t1ce", studies.parent / "drawn" / "brain.nii.gz")
    server.train(BRATS.name, run_sync=False)
    assert server.wait_for_training() == "DONE"
    assert sha256_of(model) != first
    again = server.infer(BRATS.name, "brain_flair", tmp_path)
    by_monai(BRATS.name, repr(files), tmp_path / "again")
    check_same(again, nib.load(tmp_path / "again" / "brain.nii.gz"), source)

    # a label of another convention: nothing is trained on it
    second = sha256_of(model)
    drawn = nib.load(studies.parent / "drawn" / "brain.nii.gz")
    voxels = np.asarray(drawn.dataobj).copy()
    voxels[voxels == 4] = 3
    nib.save(nib.Nifti1Image(voxels, drawn.affine), tmp_path / "brain.nii.gz")
    server.put_label("brain_t1ce", tmp_path / "brain.nii.gz")
    with pytest.raises(urllib.error.HTTPError):
        server.train(BRATS.name)
    server.wait_for_line("brain_t1ce.nii.gz: holds label 3; expected by 'brats2021': 1 (non-enhancing core)")
    assert sha256_of(model) == second


def test_scoring_what_the_model_is_unsure_of(label_python, app, studies, variables, tmp_path):
    """The stock app's epistemic scoring: entropy of the mean of several runs with dropout."""
    shutil.copytree(studies, tmp_path / "brains", ignore=shutil.ignore_patterns("ct*", "labels", "*.json"))
    conf = {"epistemic_model": BRATS.name, "epistemic_simulation_size": "3", "skip_trainers": "true"}
    settings = {**variables, "MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}
    server = Server(label_python, app, tmp_path / "brains", tmp_path / "log", settings, **conf)
    try:
        assert list(server.wait()["scoring"]) == [BRATS.name]
        done = json.loads(server.request("POST", f"/scoring/{BRATS.name}", body={"device": "cpu"}, run_sync="true"))
        assert done["executed"] == 4
        info = json.loads(server.request("GET", "/datastore/image/info", image="brain_t1"))
        # of two shares that sum to 1
        assert 0 < info["epistemic_entropy"] < np.log(2)
        # scoring leaves the served model alone: labels, and the same ones again
        first, second = (np.asarray(server.infer(BRATS.name, "brain_t1", tmp_path).dataobj) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert set(np.unique(first)) <= {0, 1, 2, 4}
    finally:
        server.process.terminate()
        server.process.wait(timeout=30)


def test_a_bundle_of_another_release_is_refused_by_name(label_python, app, variables, tmp_path):
    """In the process of a bundle whose components are loaded."""
    other = shutil.copytree(app / "model" / BRATS.name, tmp_path / BRATS.name)
    path = other / "configs" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "meddino_components_version": "9.9.9"}))
    code = (
        "import sys; from monailabel.tasks.infer.bundle import BundleInferTask as Task\n"
        f"Task({str(app / 'model' / AMOS.name)!r}, {{}})\n"
        f"Task({str(other)!r}, {{}})\n"
    )
    done = subprocess.run([str(label_python), "-c", code], capture_output=True, text=True, env=variables, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{BRATS.name} 0.1.0" in done.stderr
    assert "needs meddino_components 9.9.9" in done.stderr
