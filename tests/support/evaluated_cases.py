"""Folders as an evaluation writes them: predictions with their case records, made by hand, and the data set."""

import json

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor

from meddino_components.data import brats_regions
from meddino_components.inference import WriteCased

NAMES = ("background", "liver", "spleen")
REGIONS = brats_regions("brats2023")
AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])  # 0.02 ml a voxel


def reference():
    """A liver without holes, and a spleen in two parts, the smaller one 0.12 ml."""
    labels = np.zeros((24, 20, 12), np.uint8)
    labels[2:12, 2:12, 2:10] = 1
    labels[15:20, 4:9, 3:8] = 2
    labels[21:23, 15:18, 5] = 2
    return labels


def predicted():
    """The reference with an island of liver, a hole in it, and a speck of spleen of 0.02 ml."""
    labels = reference()
    labels[14:17, 15:18, 2:5] = 1
    labels[6:8, 6:8, 5:7] = 0
    labels[22, 2, 10] = 2
    return labels


def write_evaluated(folder, case_ids, labels=None, regions=None):
    """Write the prediction of each case as an evaluation does."""
    names = NAMES if regions is None else dict(regions.label_names)
    settings = {"label_names": names, "postprocess": None}
    write = WriteCased(output_dir=folder, label_names=names, regions=regions, overlay=False, settings=settings)
    voxels = predicted() if labels is None else labels
    for case_id in case_ids:
        meta = {"original_affine": AFFINE, "spatial_shape": voxels.shape, "filename_or_obj": "none"}
        image = MetaTensor(torch.zeros(1, *voxels.shape), affine=torch.from_numpy(AFFINE), meta=meta)
        prediction = MetaTensor(torch.from_numpy(voxels.copy())[None], affine=torch.from_numpy(AFFINE))
        write({"image": image, "pred": prediction, "case_id": case_id})
    (folder / "metrics.csv").write_text("case,organ\n", encoding="utf-8")
    return folder


def write_references(root, case_ids, labels=None):
    """Write an MSD data set with these cases."""
    voxels = reference() if labels is None else labels
    listed = []
    for case_id in case_ids:
        listed.append(
            {key: f"./{folder}/{case_id}.nii.gz" for key, folder in (("image", "imagesTr"), ("label", "labelsTr"))}
        )
        for path in listed[-1].values():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(voxels, AFFINE), root / path)
    content = {
        "modality": {"0": "CT"},
        "labels": {str(label): name for label, name in enumerate(NAMES)},
        "training": listed,
        "test": [],
    }
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return root
