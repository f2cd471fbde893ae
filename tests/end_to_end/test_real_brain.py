"""Fine-tune on and segment a real brain tumour by the command lines of a user.

One patient: slabs of the scan are held out, with a gap on either side. The labels are the consensus of five algorithms.
"""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from command_lines import BRATS, run_bundle

from meddino_components.data import brats_regions
from meddino_components.evaluation import AbsentRule, score_case

FILES = {"t1": "t1", "t1ce": "t1c", "t2": "t2", "flair": "fla"}
# (first, last) slices held out: the tumour's lower end, its middle with all regions, and healthy brain above it
HELD_OUT = ((66, 70), (84, 92), (124, 130))
GAP = 3
REGIONS = brats_regions("brats2021")

pytestmark = pytest.mark.slow


def source_folder():
    if not os.environ.get("MEDDINO_DATA"):
        pytest.skip("set MEDDINO_DATA to the folder with real scans")
    return Path(os.environ["MEDDINO_DATA"]) / "tcga_fg_6692" / "OtherEXampleFromTCIA_brainles"


def raw(sequence):
    return source_folder() / "raw_bet" / f"OtherEXampleFromTCIA_{FILES[sequence]}_bet.nii.gz"


@pytest.fixture(scope="module")
def training_list(tmp_path_factory):
    """A data list whose one case lacks the held-out slabs and the gaps; it is the validation case, too."""
    root = tmp_path_factory.mktemp("real")
    paths = {**{name: raw(name) for name in FILES}, "seg": source_folder() / "fusion" / "mav.nii.gz"}
    written = {}
    for name, path in paths.items():
        image = nib.load(path)
        voxels = np.asarray(image.dataobj).copy()
        for first, last in HELD_OUT:
            voxels[..., first - GAP : last + GAP] = 0
        written[name] = f"case_{name}.nii.gz"
        nib.save(nib.Nifti1Image(voxels, image.affine), root / written[name])
    label = written.pop("seg")
    entries = [
        {"image": list(written.values()), "label": label, "case_id": case_id, "fold": fold}
        for case_id, fold in (("training", 1), ("fit", 0))
    ]
    (root / "datalist.json").write_text(json.dumps({"training": entries}))
    return root / "datalist.json"


def held_out_scores(labels):
    """Dice and HD95 of each region over the held-out slabs together; distances within slabs only."""
    reference = np.asarray(nib.load(source_folder() / "fusion" / "mav.nii.gz").dataobj)
    dice, tumour = {}, slice(*HELD_OUT[1])
    inside = np.concatenate([np.arange(*slab) for slab in HELD_OUT])
    for name, members in zip(REGIONS.names, REGIONS.members, strict=True):
        found, wanted = (np.isin(array[..., inside], members) for array in (labels, reference))
        dice[name] = 2 * (found & wanted).sum() / (found.sum() + wanted.sum())
    scores = score_case(
        labels[..., tumour],
        reference[..., tumour],
        spacing_mm=(1, 1, 1),
        label_names=(),
        case_id="middle slab",
        regions=REGIONS,
        absent=AbsentRule.BRATS,
    )
    return dice, {score.organ: score.values["hd95_mm"] for score in scores}


def test_fine_tune_and_segment_a_tumour(training_list, tmp_path):
    run, segmented = tmp_path / "run", tmp_path / "segmented"
    threads = {"OMP_NUM_THREADS": "2"}
    common = {"model_path": str(run / "model.pt")}
    train = {**common, "dataset_dir": str(training_list), "output_dir": str(run), "progress": False}
    train |= {"epochs": 3, "validation_interval": 3, "n_folds": 2}
    run_bundle(["train", "laptop"], train, variables=threads, bundle=BRATS)
    files = [str(raw(name)) for name in ("t2", "flair", "t1", "t1ce")]
    settings = {**common, "dataset_dir": files, "output_dir": str(segmented)}
    run_bundle(["inference", "laptop"], settings, variables=threads, bundle=BRATS)
    (path,) = segmented.glob("*.nii.gz")
    labels, image = nib.load(path), nib.load(raw("t1"))
    assert labels.shape == image.shape
    np.testing.assert_array_equal(labels.affine, image.affine)
    voxels = np.asarray(labels.dataobj)
    assert set(np.unique(voxels)) <= {0, 1, 2, 4}
    dice, hd95_mm = held_out_scores(voxels)
    print(json.dumps({"dice": dice, "hd95_mm": hd95_mm}))
    assert (segmented / path.name.replace(".nii.gz", ".png")).stat().st_size > 50_000
    assert dice["whole tumour"] > 0.5

    again = {**settings, "dataset_dir": files[::-1], "output_dir": str(tmp_path / "again"), "overlay": False}
    run_bundle(["inference", "laptop"], again, variables=threads, bundle=BRATS)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "again" / path.name).dataobj), voxels)
