"""Small labelled data sets with two channels: CT with PET in nnU-Net's layout, and T2 with ADC in 4D files."""

import json

import nibabel as nib
import numpy as np

SHAPE = (48, 40, 4)
AFFINE = np.diag([6.0, 6.0, 10.0, 1.0])


def scan(seed):
    """CT in HU, uptake of PET, and labels: the lesion is seen in PET alone."""
    rng, labels = np.random.default_rng(seed), np.zeros(SHAPE, np.uint8)
    row, column = rng.integers(8, 24, 2)
    labels[row : row + 14, column : column + 12, 1:] = 1
    ct = rng.normal(40, 20, SHAPE)
    ct[:5] = -1000
    pet = rng.normal(1, 0.1, SHAPE) + 8.0 * labels
    return ct.astype(np.float32), pet.astype(np.float32), labels


def save(path, voxels):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, AFFINE), path)


def ct_pet_set(root, n_cases=5):
    for number in range(n_cases + 1):
        end = "Tr" if number < n_cases else "Ts"
        ct, pet, labels = scan(number)
        save(root / f"images{end}" / f"p{number}_0000.nii.gz", ct)
        save(root / f"images{end}" / f"p{number}_0001.nii.gz", pet)
        if end == "Tr":
            save(root / "labelsTr" / f"p{number}.nii.gz", labels)
    content = {"channel_names": {"0": "CT", "1": "PET"}, "labels": {"background": 0, "lesion": 1}}
    (root / "dataset.json").write_text(json.dumps(content | {"numTraining": n_cases, "file_ending": ".nii.gz"}))
    return root


def prostate_set(root, n_cases=5):
    lists = {"training": [], "test": []}
    for number in range(n_cases + 1):
        labelled = number < n_cases
        t2, adc, labels = scan(number)
        image = f"./images{'Tr' if labelled else 'Ts'}/prostate_{number:02d}.nii.gz"
        save(root / image, np.stack([t2 + 1100, 100 * adc], axis=-1))
        if labelled:
            save(root / f"labelsTr/prostate_{number:02d}.nii.gz", labels)
        entry = {"image": image, "label": f"./labelsTr/prostate_{number:02d}.nii.gz"} if labelled else image
        lists["training" if labelled else "test"].append(entry)
    labels = {"0": "background", "1": "PZ"}
    content = {"modality": {"0": "T2", "1": "ADC"}, "labels": labels, "tensorImageSize": "4D"}
    (root / "dataset.json").write_text(json.dumps(content | lists))
    return root
