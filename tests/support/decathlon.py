"""The ten tasks of the Medical Segmentation Decathlon as their dataset.json states them, as sets of empty files."""

from set_folders import touch, write_json

# folder: names of channels, names of labels, prefix of cases
TASKS = {
    "Task01_BrainTumour": (
        ("FLAIR", "T1w", "t1gd", "T2w"),
        ("background", "edema", "non-enhancing tumor", "enhancing tumour"),
        "BRATS",
    ),
    "Task02_Heart": (("MRI",), ("background", "left atrium"), "la"),
    "Task03_Liver": (("CT",), ("background", "liver", "cancer"), "liver"),
    "Task04_Hippocampus": (("MRI",), ("background", "Anterior", "Posterior"), "hippocampus"),
    "Task05_Prostate": (("T2", "ADC"), ("background", "PZ", "TZ"), "prostate"),
    "Task06_Lung": (("CT",), ("background", "cancer"), "lung"),
    "Task07_Pancreas": (("CT",), ("background", "pancreas", "cancer"), "pancreas"),
    "Task08_HepaticVessel": (("CT",), ("background", "Vessel", "Tumour"), "hepaticvessel"),
    "Task09_Spleen": (("CT",), ("background", "spleen"), "spleen"),
    "Task10_Colon": (("CT",), ("background", "colon cancer primaries"), "colon"),
}


def decathlon_set(folder, task, numbers=(1, 2), test=(3,)):
    """A task below a folder, with the hidden files of macOS that the published archives contain."""
    channels, labels, prefix = TASKS[task]
    root = folder / task
    names = {"Tr": [f"{prefix}_{n:03d}.nii.gz" for n in numbers], "Ts": [f"{prefix}_{n:03d}.nii.gz" for n in test]}
    for end, files in names.items():
        for file in files:
            touch(root / f"images{end}" / file)
            touch(root / f"images{end}" / f"._{file}")
            if end == "Tr":
                touch(root / "labelsTr" / file)
    content = {
        "name": task.partition("_")[2],
        "tensorImageSize": "4D" if len(channels) > 1 else "3D",
        "modality": {str(number): name for number, name in enumerate(channels)},
        "labels": {str(number): name for number, name in enumerate(labels)},
        "numTraining": len(numbers),
        "numTest": len(test),
        "training": [{"image": f"./imagesTr/{file}", "label": f"./labelsTr/{file}"} for file in names["Tr"]],
        "test": [f"./imagesTs/{file}" for file in names["Ts"]],
    }
    return write_json(root, content)
