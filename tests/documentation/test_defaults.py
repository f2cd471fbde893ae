"""Every bundle at its defaults: own output folder, own model, from wherever a user stands.

Nothing is overridden but the data, lengths, the batch size and the backbone. No run says a warning.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import pytest
from as_typed import SHORT_PRETRAINING, SHORT_SEGMENTATION, SHORT_STAGE
from command_lines import AMOS, BRATS, REPOSITORY, losses, read_log
from quiet import warnings_said

from meddino_components.bundle import package


def run(folder: Path, *arguments: str, root: Path | None = None, processes: int = 1, **settings: object) -> str:
    """Run ``python -m ...`` in a folder; it has to succeed."""
    launcher = (
        [] if processes == 1 else ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m"]
    )
    command = [os.environ["PYTHON_EXEC"], "-m", *launcher, *arguments]
    command += [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root or folder)}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-1500:]}\n{done.stderr[-3500:]}"
    assert warnings_said(done.stdout + done.stderr) == [], " ".join(command)
    return done.stdout + done.stderr


def in_place(place: str, bundle: str, sandbox: Path) -> tuple[Path, Path, str]:
    """(working folder, the bundle's folder, what stands before ``configs/``) where a user has the bundle."""
    checkout = sandbox / "meddino"
    root = checkout / "bundles" / bundle
    if place == "root":
        return checkout, root, f"bundles/{bundle}/"
    if place == "bundle":
        return root, root, ""
    # a release, unpacked elsewhere; the checkout is gone
    archive = package(root, sandbox / "dist")
    shutil.rmtree(checkout)
    run(sandbox, "meddino_components", "unpack", str(archive), str(sandbox / "downloaded"), root=REPOSITORY)
    return sandbox / "downloaded", sandbox / "downloaded" / bundle, f"{bundle}/"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bundle", "place", "processes"),
    [
        (AMOS.name, "root", 1),
        (AMOS.name, "bundle", 2),
        (AMOS.name, "zip", 1),
        (BRATS.name, "root", 2),
        (BRATS.name, "bundle", 1),
        (BRATS.name, "zip", 1),
    ],
)
def test_segmentation(bundle, place, processes, sandbox):
    folder, root, prefix = in_place(place, bundle, sandbox)
    components = root if place == "zip" else sandbox / "meddino"
    data = sandbox / "data" / ("amos22" if bundle == AMOS.name else "brats2021")
    files = [f"{prefix}configs/train.json", *([f"{prefix}configs/multi_gpu_train.json"] if processes > 1 else [])]
    training = ("monai.bundle", "run", "training", "--config_file", str(files))
    settings = {"dataset_dir": data, **SHORT_SEGMENTATION}
    run(folder, *training, root=components, processes=processes, **settings)
    run(folder, *training, root=components, processes=processes, **{**settings, "epochs": 2, "resume": True})
    assert sorted(losses(root / "output")) == [1, 2]
    # both ends were validated, though the interval is 50
    assert [line["iteration"] for line in read_log(root / "output") if "validation" in line] == [1, 2]
    one = ("monai.bundle", "run", "--config_file")
    run(folder, *one, f"{prefix}configs/evaluate.json", root=components, dataset_dir=data)
    metrics = next(root.glob("output/**/metrics.json"))
    assert json.loads(metrics.read_text(encoding="utf-8"))["model_sha256"]
    scan, given = sandbox / "data" / "scan.nii.gz", {"modality": "ct"}
    if bundle == BRATS.name:
        scan, given = sandbox / "data" / "new_cases", {}
    run(folder, *one, f"{prefix}configs/inference.json", root=components, dataset_dir=scan, **given)
    name, source = ("scan", scan) if scan.is_file() else ("patient_1", scan / "patient_1_t1.nii.gz")
    labels = nib.load(next(root.glob(f"output/**/{name}.nii.gz")))
    assert labels.shape == nib.load(source).shape
    if place != "zip":
        # the command takes the same network as the configuration, and the bundle that the weights name
        model = next(root.glob("output/model.pt"))
        arguments = ["segment", str(scan), str(sandbox / "segmented"), "--model", str(model)]
        run(folder, "meddino_components", *arguments, root=components, **given)
        again = nib.load(sandbox / "segmented" / f"{name}.nii.gz")
        assert (again.get_fdata() == labels.get_fdata()).all()


@pytest.mark.slow
@pytest.mark.parametrize(("place", "processes"), [("root", 1), ("bundle", 2)])
def test_pretraining(place, processes, sandbox):
    folder, root, prefix = in_place(place, "meddinov3_pretrain", sandbox)
    components, store = sandbox / "meddino", sandbox / "store"
    run(
        folder,
        "meddino_components",
        "curate",
        str(sandbox / "data" / "ct"),
        str(store),
        "--modality",
        "ct",
        root=components,
    )
    more = [f"{prefix}configs/multi_gpu_train.json"] if processes > 1 else []
    for stage, name in enumerate(("train", "stage2_gram", "stage3_highres"), start=1):
        given = SHORT_PRETRAINING if stage == 1 else {**SHORT_STAGE, "gram_weights": "checkpoint"}
        files = str([f"{prefix}configs/{name}.json", *more])
        training = ("monai.bundle", "run", "training", "--config_file", files)
        run(folder, *training, root=components, processes=processes, store=store, **given)
    # the least of the stages
    files = str([f"{prefix}configs/train.json", *more])
    training = ("monai.bundle", "run", "training", "--config_file", files)
    given = {**SHORT_PRETRAINING, "epochs": 2, "resume": True}
    run(folder, *training, root=components, processes=processes, store=store, **given)
    assert sorted(losses(root / "output" / "stage1")) == [1, 2]
    one = ("monai.bundle", "run", "--config_file")
    files = {"image": str(sandbox / "data" / "liver.nii.gz"), "label": str(sandbox / "data" / "liver_seg.nii.gz")}
    reference = [{**files, "case_id": "a", "modality": "ct"}]
    labels = {"reference_data": reference, "label_names": ["background", "liver", "tumour"]}
    run(folder, *one, f"{prefix}configs/evaluate.json", root=components, **labels)
    run(folder, *one, f"{prefix}configs/inference.json", root=components, dataset_dir=sandbox / "data" / "scan.nii.gz")
