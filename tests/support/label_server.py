"""A MONAI Label server of its own with both segmentation bundles in its stock app, and clients of it."""

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

import nibabel as nib
import numpy as np
from command_lines import AMOS, BRATS, REPOSITORY, run_command
from random_models import write_random_model
from tiny_settings import TINY

from meddino_components.bundle import package, unpack

REQUIREMENTS = REPOSITORY / "label" / "requirements.txt"
INSTALL = (
    ["torch==2.13.0", "--requirement", str(REQUIREMENTS)],
    ["--no-deps", "monailabel==0.8.5", "pydicom-seg==0.4.1"],
)
# of the run; the network's own come with its weights
SETTINGS = {key: TINY[key] for key in ("num_workers", "amp", "progress", "batch_size", "iterations_per_epoch")}
SETTINGS |= {"drop_path_rate": 0.0, "overlay": False}
# without a LayerScale that keeps what the blocks say from what comes out
NETWORK = {"backbone": TINY["backbone"], "roi_size": TINY["roi_size"], "random_start::layerscale_init": 1.0}
PIXDIM = {AMOS.name: [6.0, 6.0], BRATS.name: [2.0, 2.0]}


def small_bundle(source, folder):
    """The bundle with a network that takes milliseconds, random weights of it, packaged and unpacked."""
    copy = shutil.copytree(source, folder / "sources" / source.name, ignore=shutil.ignore_patterns("output", "models"))
    for name in ("train", "inference"):
        path = copy / "configs" / f"{name}.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config |= {key: value for key, value in SETTINGS.items() if key in config}
        path.write_text(json.dumps(config, indent=4), encoding="utf-8")
    model = folder / f"{source.name}.pt"
    write_random_model(model, bundle=copy, **NETWORK, pixdim=PIXDIM[source.name])
    return unpack(package(copy, folder / "dist", model=model), folder / "app" / "model")


class Server:
    """A MONAI Label server of its own from `with` to its end, spoken to as its clients do."""

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
            # it calls programs of its environment by name
            env={**variables, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"},
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def __enter__(self):
        try:
            self.info = self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def wait(self, seconds=600):
        deadline = time.time() + seconds
        while time.time() < deadline:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-4000:]
            try:
                return json.loads(self.request("GET", "/info/"))
            except urllib.error.URLError:
                time.sleep(0.5)
        raise AssertionError(self.log.read_text(encoding="utf-8")[-4000:])

    def wait_for_line(self, text, seconds=30):
        deadline = time.time() + seconds
        while text not in self.log.read_text(encoding="utf-8"):
            assert time.time() < deadline, self.log.read_text(encoding="utf-8")[-4000:]
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

    def upload(self, path):
        """A scan into the folder of studies, as image of its own name."""
        name = path.name.removesuffix(".nii.gz")
        assert json.loads(self.request("PUT", "/datastore/image", files={"file": path}, image=name)) == {"image": name}

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


def run_inference(python, app, variables, bundle, source, output, **overrides):
    """`monai.bundle run` of the very bundle in the server's folder, with the server's interpreter."""
    command = [python, "-m", "monai.bundle", "run", "--config_file", app / "model" / bundle / "configs/inference.json"]
    for key, value in {"dataset_dir": source, "output_dir": output, "device": "cpu", **overrides}.items():
        command += [f"--{key}", value]
    run_command(*command, env=variables, cwd=output.parent)


def check_same(found, expected, source):
    assert found.shape == expected.shape == source.shape
    np.testing.assert_allclose(found.affine, source.affine, atol=1e-4)
    assert len(np.unique(np.asarray(expected.dataobj))) > 1
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(expected.dataobj))
