"""Small brains with a tumour, in files named as in BraTS."""

import nibabel as nib
import numpy as np
from volume_files import SERIES_UID, write_dicom_series

NAMES_2021 = {"t1": "_t1", "t1ce": "_t1ce", "t2": "_t2", "flair": "_flair", "seg": "_seg"}
NAMES_2023 = {"t1": "-t1n", "t1ce": "-t1c", "t2": "-t2w", "flair": "-t2f", "seg": "-seg"}
SHAPE = (48, 44, 8)
MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"
# brightness of brain, oedema, core and enhancing tumour in each sequence
CONTRAST = {
    "t1": (500, 420, 300, 380),
    "t1ce": (500, 420, 280, 1000),
    "t2": (300, 700, 900, 600),
    "flair": (350, 900, 500, 700),
}


def brain(seed=0, shape=SHAPE):
    """({sequence: int16 [X, Y, Z]}, tissues uint8: 0 none or brain, 1 core, 2 oedema, 3 enhancing)."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    inside = (grid**2).sum(0) < 0.85
    centre = rng.uniform(-0.3, 0.3, 3)[:, None, None, None]
    distance = np.sqrt(((grid - centre) ** 2).sum(0))
    tissues = np.zeros(shape, np.uint8)
    for tissue, radius in ((2, 0.5), (3, 0.34), (1, 0.2)):
        tissues[(distance < radius) & inside] = tissue
    order = np.array([0, 2, 1, 3])[tissues]
    images = {}
    for name, values in CONTRAST.items():
        voxels = np.asarray(values)[order] + rng.normal(0, 25, shape)
        images[name] = np.where(inside, voxels.clip(1), 0).astype(np.int16)
    return images, tissues


def labels_of(tissues, enhancing=4):
    return np.where(tissues == 3, enhancing, tissues).astype(np.uint8)


def write_brats_case(folder, case_id, *, seed=0, names=NAMES_2021, enhancing=4, shape=SHAPE, affine=None, label=True):
    """Write a case's files into the folder; returns {sequence or "seg": path}."""
    folder.mkdir(parents=True, exist_ok=True)
    images, tissues = brain(seed, shape)
    volumes = {**images, **({"seg": labels_of(tissues, enhancing)} if label else {})}
    affine = np.diag([-4.0, -4.0, 6.0, 1.0]) if affine is None else affine
    paths = {}
    for name, voxels in volumes.items():
        paths[name] = folder / f"{case_id}{names[name]}.nii.gz"
        nib.save(nib.Nifti1Image(voxels, affine), paths[name])
    return paths


def write_dicom_case(folder, **tags):
    """Write a case's sequences as DICOM series, each in a folder of its name; returns {sequence: folder}."""
    settings = {"spacing_mm": (4.0, 4.0, 6.0), "modality": "MR", "sop_class": MR_CLASS, **tags}
    return {
        name: write_dicom_series(folder / name, voxels, name="IM{}", series_uid=f"{SERIES_UID}{number}", **settings)
        for number, (name, voxels) in enumerate(brain()[0].items())
    }


def write_brats(folder, *, n_cases=5, nested=True, **settings):
    for seed in range(n_cases):
        case_id = f"BraTS2021_{seed:05d}"
        write_brats_case(folder / case_id if nested else folder, case_id, seed=seed, **settings)
    return folder
