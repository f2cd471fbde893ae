"""Fine-tune, evaluate and segment a real CT by the command lines of a user.

One scan of one patient: slabs of it are held out, with a gap on either side. The labels are those of a good model.
"""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from command_lines import run_bundle
from totalsegmentator import TOTALSEGMENTATOR

from meddino_components.data import AMOS_LABELS

# (first, last) slices of the scan: held-out slabs of four slices, with two unused slices on either side
HELD_OUT = ((18, 22), (42, 46), (66, 70), (90, 94))
GAP = 2

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real_data_set(tmp_path_factory):
    """The scan as an AMOS-like data set: five slabs for training, four for validation."""
    if not os.environ.get("MEDDINO_DATA"):
        pytest.skip("set MEDDINO_DATA to the folder with real scans")
    source = Path(os.environ["MEDDINO_DATA"]) / "totalseg_ct"
    image = nib.load(source / "example_ct.nii.gz")
    classes = np.asarray(nib.load(source / "example_seg_fast_force_split.nii.gz").dataobj)
    voxels = np.asarray(image.dataobj).astype(np.int16)
    labels = np.zeros(classes.shape, np.uint8)
    for organ, number in enumerate(TOTALSEGMENTATOR, start=1):
        labels[classes == number] = organ
    edges = [0, *(edge for first, last in HELD_OUT for edge in (first - GAP, last + GAP)), voxels.shape[2]]
    training = list(zip(edges[::2], edges[1::2], strict=True))
    root = tmp_path_factory.mktemp("real") / "amos"
    entries = {}
    for section, suffix, slabs, start in (("training", "Tr", training, 1), ("validation", "Va", HELD_OUT, 101)):
        entries[section] = []
        for number, (first, last) in enumerate(slabs, start=start):
            entry = {}
            for kind, array in (("image", voxels), ("label", labels)):
                path = Path(f"{kind}s{suffix}") / f"amos_{number:04d}.nii.gz"
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                slab = nib.Nifti1Image(array[..., first:last], image.slicer[..., first:last].affine)
                nib.save(slab, root / path)
                entry[kind] = f"./{path}"
            entries[section].append(entry)
    names = {str(number): name for number, name in AMOS_LABELS.items()}
    (root / "dataset.json").write_text(json.dumps({"name": "AMOS", "labels": names, "test": [], **entries}))
    return root


def test_fine_tune_evaluate_and_segment(real_data_set, tmp_path):
    run, evaluation, segmented = (tmp_path / name for name in ("run", "evaluation", "segmented"))
    common = {"dataset_dir": str(real_data_set), "model_path": str(run / "model.pt")}
    threads = {"OMP_NUM_THREADS": "2"}
    train = {**common, "output_dir": str(run), "epochs": 3, "validation_interval": 3, "progress": False}
    run_bundle(["train", "laptop"], train, variables=threads)
    evaluate = {**common, "output_dir": str(evaluation), "section": "official_validation"}
    run_bundle(["evaluate", "laptop"], evaluate, variables=threads)
    metrics = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    dice = {organ: values["dice"]["mean"] for organ, values in metrics["organs"].items()}
    print(json.dumps(dice))
    # measured: 0.58; a network that has not learnt gives 0.02
    assert metrics["mean_dice"] > 0.4
    source = Path(os.environ["MEDDINO_DATA"]) / "totalseg_ct" / "example_ct.nii.gz"
    overrides = {**common, "dataset_dir": str(source), "output_dir": str(segmented), "modality": "ct"}
    run_bundle(["inference", "laptop"], overrides, variables=threads)
    labels = nib.load(segmented / "example_ct.nii.gz")
    image = nib.load(source)
    assert labels.shape == image.shape
    np.testing.assert_array_equal(labels.affine, image.affine)
    volumes = json.loads((segmented / "example_ct.json").read_text(encoding="utf-8"))["organs"]
    assert volumes["liver"]["volume_ml"] > 300
    assert (segmented / "example_ct.png").stat().st_size > 50_000
