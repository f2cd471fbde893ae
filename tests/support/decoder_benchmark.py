"""A small data set in the layout of the Decathlon, and settings that train decoders on it in seconds."""

import json

import numpy as np
from volume_files import save_nifti

SMALL = {
    "backbone": "vit_tiny",
    "size_px": 64,
    "depth": 4,
    "slices_per_batch": 8,
    "iterations": 30,
    "learning_rate": 1e-2,
    "num_workers": 0,
    "n_resamples": 200,
    "n_pictures": 2,
    "progress": False,
    "amp": False,
}

LINEAR, CONV_2D, CONV_3D = (
    {"_target_": f"meddino_components.probing.{name}Decoder"} for name in ("Linear", "Plane", "Volume")
)


def msd(root, n=6):
    """A bright organ and a dark one, somewhere, in volumes of different proportions."""
    entries = []
    for k in range(n):
        rng = np.random.default_rng(k)
        labels = np.zeros((32, 24 + 2 * k, 6), np.uint8)
        for organ, column in ((1, 2), (2, 13)):
            row = rng.integers(2, 18)
            labels[row : row + 12, column : column + 9, 1:5] = organ
        image = rng.normal(0, 20, labels.shape) + np.array([0, 200, -150])[labels]
        image[0] = -1000  # air, without which it is no CT
        save_nifti(root / "imagesTr" / f"c_{k}.nii.gz", image.astype(np.int16), spacing_mm=(2, 2, 3))
        save_nifti(root / "labelsTr" / f"c_{k}.nii.gz", labels, spacing_mm=(2, 2, 3))
        entries.append({"image": f"./imagesTr/c_{k}.nii.gz", "label": f"./labelsTr/c_{k}.nii.gz"})
    names = {"0": "background", "1": "bright", "2": "dark"}
    listing = {"modality": {"0": "CT"}, "labels": names, "training": entries, "test": []}
    (root / "dataset.json").write_text(json.dumps(listing), encoding="utf-8")
    return root
