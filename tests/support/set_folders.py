"""Data sets of empty files, for what is read from names and from dataset.json alone."""

import json

from meddino_components.data.cases.totalsegmentator_labels import TOTALSEGMENTATOR_LABELS


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def write_json(root, content):
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def nnunet_set(root, names=("case_a", "case_b"), channels=None, **content):
    for name in names:
        touch(root / "imagesTr" / f"{name}_0000.nii.gz")
        touch(root / "labelsTr" / f"{name}.nii.gz")
    listing = {
        "channel_names": channels or {"0": "CT"},
        "labels": {"background": 0, "liver": 1, "spleen": 2},
        "numTraining": len(names),
        "file_ending": ".nii.gz",
    }
    return write_json(root, listing | content)


def msd_set(root, names=("liver_0", "liver_1", "liver_10"), **content):
    """Task03_Liver in small."""
    for name in names:
        touch(root / "imagesTr" / f"{name}.nii.gz")
        touch(root / "labelsTr" / f"{name}.nii.gz")
    entries = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names]
    labels = {"0": "background", "1": "liver", "2": "cancer"}
    return write_json(root, {"modality": {"0": "CT"}, "labels": labels, "training": entries, "test": []} | content)


def amos_set(root, numbers=range(1, 11), validation=(), **content):
    lists = {"training": ("Tr", numbers), "validation": ("Va", validation)}
    found = {}
    for name, (end, members) in lists.items():
        files = [f"amos_{n:04d}.nii.gz" for n in members]
        for file in files:
            touch(root / f"images{end}" / file)
            touch(root / f"labels{end}" / file)
        found[name] = [{"image": f"./images{end}/{f}", "label": f"./labels{end}/{f}"} for f in files]
    return write_json(root, {"modality": {"0": "CT"}, **found, **content})


def brats_set(root, names, label=True):
    for name in names:
        for sequence in ("t1n", "t1c", "t2w", "t2f", *(["seg"] if label else [])):
            touch(root / name / f"{name}-{sequence}.nii.gz")
    return root


def write_list(folder, **lists):
    """A data list of JSON."""
    path = folder / "list.json"
    path.write_text(json.dumps(lists))
    return path


def kits23_set(root, numbers=(0, 1, 2), label=True):
    for number in numbers:
        for name in ("imaging", *(["segmentation"] if label else [])):
            touch(root / f"case_{number:05d}" / f"{name}.nii.gz")
    return root


def lits_set(root, numbers=(0, 1, 28), test=(0,), end=".nii"):
    """Both training archives and the test set, unpacked below one folder."""
    for number in numbers:
        folder = root / f"Training Batch {1 if number < 28 else 2}"
        touch(folder / f"volume-{number}{end}")
        touch(folder / f"segmentation-{number}{end}")
    for number in test:
        touch(root / "Test" / f"test-volume-{number}{end}")
    return root


def btcv_set(root, numbers=(1, 2, 40), test=(61,)):
    for number in numbers:
        touch(root / "RawData" / "Training" / "img" / f"img{number:04d}.nii.gz")
        touch(root / "RawData" / "Training" / "label" / f"label{number:04d}.nii.gz")
    for number in test:
        touch(root / "RawData" / "Testing" / "img" / f"img{number:04d}.nii.gz")
    return root


def totalsegmentator_set(root, splits=("train", "train", "val", "test"), meta=True):
    """Subjects s0000, s0001 and so on, each with 117 masks."""
    for number in range(len(splits)):
        touch(root / f"s{number:04d}" / "ct.nii.gz")
        for name in list(TOTALSEGMENTATOR_LABELS.values())[1:]:
            touch(root / f"s{number:04d}" / "segmentations" / f"{name}.nii.gz")
    if meta:
        rows = [f"s{number:04d};64;m;{split}" for number, split in enumerate(splits)]
        (root / "meta.csv").write_text("\n".join(["image_id;age;gender;split", *rows]) + "\n", encoding="utf-8")
    return root


def openkbp_set(root, validation="validation-pats"):
    """One patient with all organs, and others with two; targets and doses are there, too."""
    organs = ("Brainstem", "SpinalCord", "RightParotid", "LeftParotid", "Esophagus", "Larynx", "Mandible")
    for folder, number, found in (
        ("train-pats", 1, organs),
        ("train-pats", 2, ("Brainstem", "Mandible")),
        (validation, 201, ("Larynx", "SpinalCord")),
        ("test-pats", 241, ("Larynx", "SpinalCord")),
    ):
        for name in ("ct", "voxel_dimensions", "dose", "possible_dose_mask", "PTV70", *found):
            touch(root / "provided-data" / folder / f"pt_{number}" / f"{name}.csv")
    return root
