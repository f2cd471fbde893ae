"""A release as its users meet it: packaged, downloaded from a server, run with nothing else installed."""

import json
import os
import subprocess
import sys
import threading
import venv
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from command_lines import AMOS, REPOSITORY, run_bundle, run_command

from meddino_components.bundle import unpack

pytestmark = pytest.mark.slow

LAPTOP = json.loads((AMOS / "configs" / "laptop.json").read_text(encoding="utf-8"))
METADATA = json.loads((AMOS / "configs" / "metadata.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """A real CT where there is one, and else an ellipse with texture."""
    if os.environ.get("MEDDINO_DATA"):
        return Path(os.environ["MEDDINO_DATA"]) / "totalseg_ct" / "example_ct_sm.nii.gz"
    rows, columns, _ = np.ogrid[-1:1:64j, -1:1:72j, -1:1:20j]
    inside = np.broadcast_to((rows / 0.8) ** 2 + (columns / 0.7) ** 2 < 1, (64, 72, 20))
    voxels = np.where(inside, np.random.default_rng(0).normal(40, 80, inside.shape), -1000).astype(np.int16)
    path = tmp_path_factory.mktemp("volume") / "ellipse.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([-4.0, -4.0, 5.0, 1.0])), path)
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "meddino_components", "package", AMOS, "--output_dir", folder, "--model", model]
    run_command(*command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    return folder / f"{AMOS.name}_v{METADATA['version']}.zip"


@pytest.fixture(scope="module")
def server(archive, tmp_path_factory):
    """The archive at the root, and where releases of a repository lie."""
    root = tmp_path_factory.mktemp("served")
    release = root / "meddino" / "bundles" / "releases" / "download" / "v1"
    release.mkdir(parents=True)
    for folder in (root, release):
        (folder / archive.name).symlink_to(archive)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(root))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory):
    """A fresh virtual environment with what the bundle's metadata lists, and without this project."""
    folder = tmp_path_factory.mktemp("venv") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    required = METADATA["required_packages_version"]
    wanted = [f"torch=={METADATA['pytorch_version']}"]
    install = [python, "-m", "pip", "install", "--quiet"]
    run_command(*install, *wanted)
    wanted += [f"monai=={METADATA['monai_version']}", f"numpy=={METADATA['numpy_version']}"]
    run_command(*install, *wanted, *[f"{name}=={number}" for name, number in required.items()])
    return python


@pytest.fixture(scope="module")
def expected(tmp_path_factory, model, volume):
    """What the checkout makes of the volume."""
    output = tmp_path_factory.mktemp("expected")
    overrides = {
        "dataset_dir": str(volume),
        "output_dir": str(output),
        "model_path": str(model),
        "amp": False,
        "modality": "ct",
    }
    run_bundle(["inference", "laptop"], overrides)
    return nib.load(output / volume.name)


def github_at(server, folder):
    """A folder for PYTHONPATH that lets MONAI find the host of releases on this machine."""
    (folder / "sitecustomize.py").write_text(
        "import monai.bundle.scripts as scripts\n"
        "scripts._get_git_release_url = lambda owner, name, tag_name, filename: (\n"
        f"    f'{server}/{{owner}}/{{name}}/releases/download/{{tag_name}}/{{filename}}')\n"
    )
    return folder


@pytest.mark.parametrize("source", ["url", "github"])
def test_downloaded_and_run_in_a_clean_environment(source, server, archive, clean_python, volume, expected, tmp_path):
    home, elsewhere, host = (tmp_path / name for name in ("home", "elsewhere", "host"))
    for folder in (home, elsewhere, host):
        folder.mkdir()
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    plain["OMP_NUM_THREADS"] = "1"
    download = [clean_python, "-m", "monai.bundle", "download", "--name", AMOS.name, "--bundle_dir", home]
    if source == "url":
        run_command(*download, "--url", f"{server}/{archive.name}", cwd=elsewhere, env=plain)
    else:
        options = ["--version", METADATA["version"], "--source", "github", "--repo", "meddino/bundles/v1"]
        hosted = {**plain, "PYTHONPATH": str(github_at(server, host))}
        run_command(*download, *options, cwd=elsewhere, env=hosted)
    configs = [str(home / AMOS.name / "configs" / f"{name}.json") for name in ("inference", "laptop")]
    options = ["--dataset_dir", volume, "--output_dir", tmp_path / "out", "--amp", "False", "--modality", "ct"]
    run_command(clean_python, "-m", "monai.bundle", "run", "--config_file", configs, *options, cwd=elsewhere, env=plain)
    found = nib.load(tmp_path / "out" / volume.name)
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_array_equal(found.affine, expected.affine)
    assert len(np.unique(np.asarray(found.dataobj))) > 1
    # nothing was written beside the command
    assert not list(elsewhere.iterdir())


def test_load_needs_the_components_on_the_path(archive, clean_python, model, tmp_path):
    """`monai.bundle.load` puts nothing on the path: the README says so."""
    bundle = unpack(archive, tmp_path)
    # the encoder is that of the bundle's weights
    overrides = {"interaction_indices": LAPTOP["interaction_indices"]}
    code = f"""
import torch, monai.bundle
network = monai.bundle.load({AMOS.name!r}, bundle_dir={str(tmp_path)!r}, source="github", repo="a/b/c",
    workflow_type="inference", device="cpu", net_override={overrides!r})
weights = torch.load({str(model)!r}, weights_only=True)
assert set(network.state_dict()) == set(weights)
assert all(torch.equal(network.state_dict()[name], weights[name]) for name in weights)
"""
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(clean_python), "-c", code], capture_output=True, encoding="utf-8", env=plain, cwd=tmp_path
    )
    assert done.returncode != 0
    assert "meddino_components" in done.stderr
    run_command(clean_python, "-c", code, cwd=tmp_path, env={**plain, "PYTHONPATH": str(bundle)})
