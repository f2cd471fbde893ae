"""Predictions and references in folders, as other programs write them."""

import json

import nibabel as nib
import numpy as np
from evaluated_cases import AFFINE, predicted, reference

NNUNET = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "spleen": 2}, "file_ending": ".nii.gz"}


def write_labels(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(voxels, np.uint8), affine), path)
    return path


def write_masks(folder, voxels, names):
    for number, name in names.items():
        write_labels(folder / f"{name}.nii.gz", voxels == number)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_pair(root, cases="ab", labels=NNUNET):
    """nnU-Net's predictions with its dataset.json, and labelsTr of its data set."""
    for case in cases:
        write_labels(root / "predictions" / f"{case}.nii.gz", predicted())
        write_labels(root / "data" / "labelsTr" / f"{case}.nii.gz", reference())
    for folder in ("predictions", "data"):
        write_json(root / folder / "dataset.json", labels)
    return root / "predictions", root / "data" / "labelsTr"
