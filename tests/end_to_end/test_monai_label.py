"""Both segmentation bundles, packaged, in one real MONAI Label server with its stock app for bundles.

The environment is the one of `label/requirements.txt`: ``MEDDINO_LABEL_PYTHON`` names its interpreter, or it is made.
"""

import json
import re
import shutil
import subprocess
import urllib.error

import nibabel as nib
import numpy as np
import pytest
from brats_volumes import write_brats_case
from command_lines import AMOS, BRATS, REPOSITORY
from label_server import NETWORK, Server, check_same, run_inference
from random_models import write_random_model

from meddino_components.checkpoints import sha256_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scans(phantoms, tmp_path_factory):
    """A CT on an oblique grid of its own, and a brain in four files."""
    folder = tmp_path_factory.mktemp("scans")
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


@pytest.fixture(scope="module")
def server(label_python, app, scans, label_variables, tmp_path_factory):
    """Its folder of studies holds what was uploaded."""
    folder = tmp_path_factory.mktemp("studies")
    with Server(label_python, app, folder / "studies", folder / "server.log", label_variables) as started:
        for path in sorted(scans.iterdir()):
            started.upload(path)
        yield started


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


def test_uploaded_scans_are_stored_as_they_are(server, scans):
    listed = json.loads(server.request("GET", "/datastore/", output="all"))["objects"]
    assert set(listed) == {path.name.removesuffix(".nii.gz") for path in scans.iterdir()}
    assert json.loads(server.request("GET", "/datastore/"))["total"] == len(listed) == 5
    for path in scans.iterdir():
        stored = server.request("GET", "/datastore/image", image=path.name.removesuffix(".nii.gz"))
        assert stored == path.read_bytes()


def test_annotating_organs(server, by_monai, app, scans, tmp_path):
    bundle = app / "model" / AMOS.name
    source = nib.load(scans / "ct.nii.gz")
    before = listing(bundle)
    # nobody said whether it is CT or MR: asked for, not guessed
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.infer(AMOS.name, "ct", tmp_path)
    assert refused.value.code == 500
    server.wait_for_line("no modality is stated")
    found = server.infer(AMOS.name, "ct", tmp_path, modality="ct")
    by_monai(AMOS.name, scans / "ct.nii.gz", tmp_path / "out", modality="ct")
    check_same(found, nib.load(tmp_path / "out" / "ct.nii.gz"), source)
    assert listing(bundle) == before

    model = bundle / "models" / "model.pt"
    first = sha256_of(model)
    for _ in range(2):  # a second training is a run of its own
        server.put_label("ct", scans.parent / "drawn" / "ct.nii.gz")
        server.train(AMOS.name, modality="ct")
        assert sha256_of(model) != first
        again = server.infer(AMOS.name, "ct", tmp_path, modality="ct")
        by_monai(AMOS.name, scans / "ct.nii.gz", tmp_path / "again", modality="ct")
        check_same(again, nib.load(tmp_path / "again" / "ct.nii.gz"), source)
        first = sha256_of(model)
    assert not np.array_equal(np.asarray(again.dataobj), np.asarray(found.dataobj))
    server.request("DELETE", "/datastore/label", id="ct", tag="final")


def test_annotating_brain_tumours(server, by_monai, app, scans, tmp_path):
    """One sequence stands for the case; the others lie beside it."""
    source = nib.load(scans / "brain_t1ce.nii.gz")
    found = server.infer(BRATS.name, "brain_t1ce", tmp_path)
    files = [str(scans / f"brain_{name}.nii.gz") for name in ("flair", "t1", "t1ce", "t2")]
    by_monai(BRATS.name, repr(files), tmp_path / "out")
    check_same(found, nib.load(tmp_path / "out" / "brain.nii.gz"), source)

    model = app / "model" / BRATS.name / "models" / "model.pt"
    first = sha256_of(model)
    server.put_label("brain_t1ce", scans.parent / "drawn" / "brain.nii.gz")
    server.train(BRATS.name, run_sync=False)
    assert server.wait_for_training() == "DONE"
    assert sha256_of(model) != first
    again = server.infer(BRATS.name, "brain_flair", tmp_path)
    by_monai(BRATS.name, repr(files), tmp_path / "again")
    check_same(again, nib.load(tmp_path / "again" / "brain.nii.gz"), source)

    # a label of another convention: nothing is trained on it
    second = sha256_of(model)
    drawn = nib.load(scans.parent / "drawn" / "brain.nii.gz")
    voxels = np.asarray(drawn.dataobj).copy()
    voxels[voxels == 4] = 3
    nib.save(nib.Nifti1Image(voxels, drawn.affine), tmp_path / "brain.nii.gz")
    server.put_label("brain_t1ce", tmp_path / "brain.nii.gz")
    with pytest.raises(urllib.error.HTTPError):
        server.train(BRATS.name)
    server.wait_for_line("brain_t1ce.nii.gz: contains label 3; 'brats2021' expects 1 (non-enhancing core)")
    assert sha256_of(model) == second


def test_scoring_what_the_model_is_unsure_of(label_python, app, scans, label_variables, tmp_path):
    """The stock app's epistemic scoring: entropy of the mean of several runs with dropout."""
    conf = {"epistemic_model": BRATS.name, "epistemic_simulation_size": "3", "skip_trainers": "true"}
    settings = {**label_variables, "MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}
    with Server(label_python, app, tmp_path / "brains", tmp_path / "log", settings, **conf) as server:
        assert list(server.info["scoring"]) == [BRATS.name]
        for path in scans.glob("brain_*"):
            server.upload(path)
        done = json.loads(server.request("POST", f"/scoring/{BRATS.name}", body={"device": "cpu"}, run_sync="true"))
        assert done["executed"] == 4
        info = json.loads(server.request("GET", "/datastore/image/info", image="brain_t1"))
        # of two shares that sum to 1
        assert 0 < info["epistemic_entropy"] < np.log(2)
        # scoring leaves the served model alone: labels, and the same ones again
        first, second = (np.asarray(server.infer(BRATS.name, "brain_t1", tmp_path).dataobj) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert set(np.unique(first)) <= {0, 1, 2, 4}


def test_networks_of_several_folds_as_the_page_shows(label_python, app, scans, label_variables, tmp_path):
    """Their paths are a list in inference.json; models/model.pt, which the server asks for, is not used."""
    copy = shutil.copytree(app, tmp_path / "app")
    bundle = copy / "model" / AMOS.name
    (bundle / "models" / "folds").mkdir()
    for number, pixdim in enumerate(([6.0, 6.0], [8.0, 7.0])):
        path = bundle / "models" / "folds" / f"fold_{number}.pt"
        write_random_model(path, **NETWORK | {"random_start::layerscale_init": 1.0 + number}, pixdim=pixdim)
    shown = (REPOSITORY / "docs" / "monai_label.md").read_text(encoding="utf-8")
    line = re.search(r'^"model_path": (\[.*fold_1.*\])$', shown, re.MULTILINE)
    config = json.loads((bundle / "configs" / "inference.json").read_text(encoding="utf-8"))
    config["model_path"] = json.loads(line[1])
    (bundle / "configs" / "inference.json").write_text(json.dumps(config, indent=4), encoding="utf-8")
    conf = {"models": AMOS.name, "skip_trainers": "true"}
    with Server(label_python, copy, tmp_path / "studies", tmp_path / "log", label_variables, **conf) as server:
        server.upload(scans / "ct.nii.gz")
        found = server.infer(AMOS.name, "ct", tmp_path, modality="ct")
    labels = {}
    for name, more in (("both", {}), ("first", {"model_path": str(bundle / "models" / "folds" / "fold_0.pt")})):
        settings = {"modality": "ct", **more}
        run_inference(label_python, copy, label_variables, AMOS.name, scans / "ct.nii.gz", tmp_path / name, **settings)
        labels[name] = nib.load(tmp_path / name / "ct.nii.gz")
    check_same(found, labels["both"], nib.load(scans / "ct.nii.gz"))
    assert not np.array_equal(*(np.asarray(image.dataobj) for image in labels.values()))


def test_a_bundle_of_another_release_is_refused_by_name(label_python, app, label_variables, tmp_path):
    """In the process of a bundle whose components are loaded."""
    other = shutil.copytree(app / "model" / BRATS.name, tmp_path / BRATS.name)
    path = other / "configs" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "meddino_components_version": "9.9.9"}))
    code = (
        "import sys; from monailabel.tasks.infer.bundle import BundleInferTask as Task\n"
        f"Task({str(app / 'model' / AMOS.name)!r}, {{}})\n"
        f"Task({str(other)!r}, {{}})\n"
    )
    done = subprocess.run(
        [str(label_python), "-c", code], capture_output=True, encoding="utf-8", env=label_variables, cwd=tmp_path
    )
    assert done.returncode == 1
    assert f"{BRATS.name} 0.1.0" in done.stderr
    assert "needs meddino_components 9.9.9" in done.stderr
