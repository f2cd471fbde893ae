"""Real scans under frozen encoders: patches of tumours, livers and organs, and segmentations, by the bundle's command.

Labels of the CT are those of a good model; one CT has three slices, the pictures one each.
"""

import json
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from command_lines import REPOSITORY, environment, run_command
from decoder_benchmark import CONV_2D, CONV_3D, LINEAR
from PIL import Image
from totalsegmentator import TOTALSEGMENTATOR

from meddino_components.data import AMOS_LABELS
from meddino_components.features.slab_split import split_slabs

LIVER = 5  # of TotalSegmentator
OF_PICTURES = ("background", "liver", "aorta", "inferior_vena_cava")

pytestmark = pytest.mark.slow


@pytest.fixture
def data():
    if not os.environ.get("MEDDINO_DATA"):
        pytest.skip("set MEDDINO_DATA to the folder with real scans")
    return Path(os.environ["MEDDINO_DATA"])


def case(case_id, modality, image, label):
    return {"case_id": case_id, "modality": modality, "image": str(image), "label": str(label)}


def label_like(image, labels, path):
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), image.affine), path)
    return path


def picture_case(folder, name, out):
    """A picture and its organ masks as a scan of one slice."""
    grey = np.asarray(Image.open(folder / "images" / f"{name}.png").convert("L")).T.astype(np.int16)
    labels = np.zeros(grey.shape, np.uint8)
    for number, organ in enumerate(OF_PICTURES):
        for mask in folder.glob(f"masks/{name}_{organ}_*.png"):
            labels[np.asarray(Image.open(mask).convert("L")).T > 0] = number
    # rows run to posterior, columns to the left
    image = nib.Nifti1Image(grey[..., None], np.diag([-1.0, -1.0, 1.0, 1.0]))
    nib.save(image, out / f"{name}.nii.gz")
    return case(name, "mr", out / f"{name}.nii.gz", label_like(image, labels[..., None], out / f"{name}_label.nii.gz"))


@pytest.fixture
def tasks(data, tmp_path):
    ct = data / "totalseg_ct" / "example_ct.nii.gz"
    source = nib.load(ct)
    numbers = np.asarray(nib.load(data / "totalseg_ct" / "example_seg_fast_force_split.nii.gz").dataobj)
    organs = np.zeros(numbers.shape, np.uint8)
    for organ, number in enumerate(TOTALSEGMENTATOR, start=1):
        organs[numbers == number] = organ
    brains, dcmqi = data / "pyradiomics_brain", data / "dcmqi" / "segmentations"
    brain = {
        number: case(f"brain{number}", "mr", brains / f"brain{number}_image.nrrd", brains / f"brain{number}_label.nrrd")
        for number in (1, 2)
    }
    liver = [
        case("totalseg", "ct", ct, label_like(source, numbers == LIVER, tmp_path / "liver.nii.gz")),
        case("dcmqi", "ct", dcmqi / "ct-3slice", dcmqi / "liver_seg.nrrd"),
    ]
    pictures = {
        name: picture_case(data / "sam_med2d_demo" / "data_demo", name, tmp_path)
        for name in ("amos_0004_75", "amos_0006_90", "s0114_111")
    }
    binary = {"include_background": True, "unit_slices": 1, "size_px": 256}
    # the smaller one has 453 voxels in all: patches of eight pixels
    tumour = {**binary, "size_px": 512, "label_names": ["background", "tumour"], "modality": "mr"}
    return {
        "tumour, brain1 to brain2": {**tumour, "train_data": [brain[1]], "test_data": [brain[2]]},
        "tumour, brain2 to brain1": {**tumour, "train_data": [brain[2]], "test_data": [brain[1]]},
        "liver, 3 mm CT to 3 slices of another": {
            **binary,
            "label_names": ["background", "liver"],
            "train_data": liver[:1],
            "test_data": liver[1:],
        },
        "organs of a CT": {
            "train_data": [
                case("totalseg", "ct", ct, label_like(source, organs, tmp_path / "organs.nii.gz")),
            ],
            "label_names": ["background", *(AMOS_LABELS[k] for k in range(1, 16))],
            "slab_roles": ["train", "test"] * 4,
            "slab_gap": 2,
            "unit_slices": 2,
            "allow_same_patient": True,
            "size_px": 256,
        },
        "organs of pictures": {
            "train_data": [pictures["amos_0006_90"]],
            "test_data": [pictures["amos_0004_75"], pictures["s0114_111"]],
            "label_names": list(OF_PICTURES),
            "modality": "mr",
            "include_background": True,
            "unit_slices": 1,
            "size_px": 512,
        },
    }


def run_tasks(family, tasks, tmp_path):
    """The details that the script wrote."""
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    script = REPOSITORY / "benchmarks" / "frozen_tasks.py"
    # a teacher of one's own, where somebody gives one
    weights = os.environ.get("MEDDINO_ENCODER", "random")
    command = [sys.executable, script, family, "--tasks", tmp_path / "tasks.json", "--work_dir", tmp_path / "work"]
    command += ["--results", tmp_path / "results", "--weights", weights]
    print(run_command(*command, env=environment(OMP_NUM_THREADS="2")))
    (written,) = (tmp_path / "results").glob("*.json")
    found = json.loads(written.read_text(encoding="utf-8"))
    assert list(found["details"]) == list(tasks)
    return found


def test_real_scans_under_frozen_encoders(tasks, tmp_path):
    found = run_tasks("patches", tasks, tmp_path)
    for task, result in found["details"].items():
        assert result["within_one_patient"] is (task == "organs of a CT")
        assert {row["encoder"] for row in result["rows"]} == {"encoder", "random weights", "raw pixels"}
        for row in result["rows"]:
            score = row["scores"]["organ score"]
            if task == "organs of pictures":  # two units, one of which shows the liver
                assert 0 <= score["value"] <= 1
                assert np.isnan([score["low"], score["high"]]).all()
            else:
                assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    # what pixels alone show: a liver in a body, by brightness and place in nothing else
    (liver,) = (
        row["scores"]["organ score"]["value"]
        for row in found["details"]["liver, 3 mm CT to 3 slices of another"]["rows"]
        if (row["encoder"], row["probe"]) == ("raw pixels", "knn")
    )
    assert liver > 0.3


SEGMENTED = (6, 1, 8, 9, 7)  # organs of AMOS that every stack of slices shows


@pytest.fixture
def segmentation_tasks(tasks, tmp_path):
    """Every second slab of the CT, with slices between them that nobody sees; the liver of another patient."""
    whole = tasks["organs of a CT"]["train_data"][0]
    slabs = {"train": [], "test": []}
    for slab in split_slabs(nib.load(whole["image"]).shape[2], roles=["train", "test"] * 3, gap=2):
        paths = {}
        for key in ("image", "label"):
            source = nib.load(whole[key])
            part = source.slicer[:, :, slab.first : slab.last]
            if key == "label":
                numbers = np.asarray(part.dataobj)
                kept = sum((k + 1) * (numbers == organ) for k, organ in enumerate(SEGMENTED)).astype(np.uint8)
                part = nib.Nifti1Image(kept, part.affine)
            paths[key] = tmp_path / f"{key}_{slab.first}.nii.gz"
            nib.save(part, paths[key])
        made = case(f"slices_{slab.first}", "ct", paths["image"], paths["label"])
        slabs[slab.role].append(made | {"patient": "totalseg"})
    liver = tasks["liver, 3 mm CT to 3 slices of another"]
    common = {"decoders": [LINEAR, CONV_2D, CONV_3D], "depth": 8, "slices_per_batch": 8, "learning_rate": 1e-3}
    steps = {"size_px": 128, "iterations": 12}
    # as many as give the published table; minutes instead of seconds
    if os.environ.get("MEDDINO_ENCODER"):
        steps = {"size_px": 256, "iterations": 150}
    return {
        "organs of a CT": {
            **common,
            **steps,
            "train_data": slabs["train"],
            "test_data": slabs["test"],
            "label_names": ["background", *(AMOS_LABELS[k] for k in SEGMENTED)],
            "allow_same_patient": True,
        },
        "liver, 3 mm CT to 3 slices of another": {
            **common,
            **steps,
            **{key: liver[key] for key in ("train_data", "test_data", "label_names")},
        },
    }


def test_real_scans_segmented_on_frozen_encoders(segmentation_tasks, tmp_path):
    found = run_tasks("segment", segmentation_tasks, tmp_path)
    dice = {
        (task, row["encoder"], row["probe"]): row["scores"]["Dice"]["value"]
        for task, result in found["details"].items()
        for row in result["rows"]
    }
    assert len(dice) == 2 * 3 * 3
    assert all(0 <= value <= 1 for value in dice.values())
    assert found["details"]["organs of a CT"]["within_one_patient"] is True
    assert dice["liver, 3 mm CT to 3 slices of another", "raw pixels", "conv_2d"] > 0.2
