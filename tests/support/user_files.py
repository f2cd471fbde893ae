"""The files that the pages speak of, small: data sets as published, scans, pictures, slides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from brats_volumes import NAMES_2023, write_brats, write_brats_case
from bundle_configs import SEGMENTATION
from bundle_data import WRITERS, write_data_of
from channel_sets import prostate_set
from drawn_labels import write_structure_set
from PIL import Image
from slide_writing import DARK, section, write_tiles
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data import read_datalist
from meddino_components.data.volumes.dicom import read_series

# slices are what takes time at the published sizes: as few as the smallest tumour needs
_BRAIN = (48, 44, 5)


def write_user_files(root: Path) -> None:
    """Fill ``root/data``, ``root/scans`` and ``root/brains``."""
    data = root / "data"
    _amos(data / "amos22")
    _scans(data, root / "scans")
    _labelled_scan(data)
    write_dicom_series(data / "dicom" / "patient_1", ct_voxels())
    _planning_cts(data / "planning_cts")
    write_brats(data / "brats2021", n_cases=5, shape=_BRAIN)
    for seed in range(5):
        case_id = f"BraTS-GLI-{seed:05d}-000"
        names = NAMES_2023
        write_brats_case(data / "brats2023" / case_id, case_id, seed=seed, names=names, enhancing=3, shape=_BRAIN)
    for folder in (data / "new_cases", root / "brains"):
        write_brats_case(folder, "patient_1", label=False, shape=_BRAIN)
    _radiographs(data / "ChestX-ray14")
    _medmnist(data / "pneumoniamnist_224.npz")
    _table(data / "mine")
    _slides(data / "camelyon16")
    _msd(data / "Task03_Liver")
    prostate_set(data / "Task05_Prostate")
    _nnunet(data / "Task03_Liver", data / "Dataset123_Kidney")
    joined = [{"dataset_dir": "Task03_Liver"}, {"dataset_dir": "Dataset123_Kidney"}]
    (data / "joined.json").write_text(json.dumps({"data_sets": joined}), encoding="utf-8")
    _pictures_with_masks(data / "edd")
    few = {0: "background", 1: "liver", 2: "spleen"}
    WRITERS["totalsegmentator"](data / "totalsegmentator", few, "ct", 5)
    for bundle in SEGMENTATION:
        # README.md of a bundle made by new_bundle calls its data so
        write_data_of(bundle, data / bundle.name)


def write_working_folder(folder: Path, data: Path) -> None:
    """Files that the pages name without a folder: a scan, two labelled cases of MR, a list of cases to hold out."""
    shutil.copy(data / "scan.nii.gz", folder / "scan.nii.gz")
    for seed, name in enumerate("ab"):
        image, label = _tissue(seed, (48, 40, 5), mean=400)
        save_nifti(folder / f"{name}.nii.gz", image, spacing_mm=(2, 2, 3))
        save_nifti(folder / f"{name}_seg.nii.gz", (label == 2).astype(np.uint8), spacing_mm=(2, 2, 3))
    (folder / "held_out.txt").write_text("case_9\n", encoding="utf-8")


def _planning_cts(root: Path, n: int = 5) -> None:
    """A CT of each patient with its structure set beside it."""
    for k in range(1, n + 1):
        folder, uid = root / f"patient_{k}", f"1.2.826.0.1.3680043.9.9999.{k}"
        voxels = ct_voxels(k, (48, 48, 3))
        write_dicom_series(folder, voxels, series_uid=uid, patient_id=f"P{k}")
        tumour = np.zeros(voxels.shape, bool)
        tumour[20:30, 16 + k : 28, 1:] = True
        structures = {"GTV-1": tumour, "BODY": voxels > -500}
        write_structure_set(folder / "structures.dcm", structures, read_series(folder).affine, series_uid=uid)


def _amos(root: Path, n: int = 5) -> None:
    """AMOS22 as downloaded, of few slices: at the published 896 px each takes a second or more."""
    entries = []
    for k in range(1, n + 1):
        rng, labels = np.random.default_rng(k), np.zeros((48, 48, 2), np.uint8)
        for organ, corner in ((1, (8, 10)), (6, (26, 12)), (15, (14, 30))):
            row, column = corner + rng.integers(-3, 4, 2)
            labels[row : row + 12, column : column + 11] = organ
        body = np.zeros(labels.shape, bool)
        body[4:44, 6:44] = True
        tissue = rng.normal(20, 30, labels.shape) + 10 * labels
        image = np.where(body, tissue, -1000).astype(np.int16)
        for kind, voxels in (("imagesTr", image), ("labelsTr", labels)):
            save_nifti(root / kind / f"amos_{k:04d}.nii.gz", voxels, spacing_mm=(8, 8, 10))
        entries.append({"image": f"./imagesTr/amos_{k:04d}.nii.gz", "label": f"./labelsTr/amos_{k:04d}.nii.gz"})
    listing = {"training": entries, "validation": [], "test": []}
    (root / "dataset.json").write_text(json.dumps(listing), encoding="utf-8")


def _scans(data: Path, scans: Path) -> None:
    images = [case["image"] for case in read_datalist(data / "amos22", "amos", "all_labelled")]
    for folder in (scans, data / "ct"):
        folder.mkdir()
        for image in images[:2]:
            shutil.copy(image, folder)
    shutil.copy(images[0], data / "scan.nii.gz")
    # others than those of AMOS22: the store takes no scan twice
    save_nifti(data / "scans" / "mine.nii.gz", _tissue(7, (48, 40, 3))[0], spacing_mm=(3, 3, 5))
    # as large as the slices and points that docs/figures.md names
    rows, columns, _ = np.ogrid[-1:1:112j, -1:1:112j, -1:1:96j]
    inside = np.broadcast_to((rows / 0.8) ** 2 + (columns / 0.7) ** 2 < 1, (112, 112, 96))
    voxels = np.where(inside, np.random.default_rng(0).normal(40, 60, inside.shape), -1000).astype(np.int16)
    save_nifti(data / "abdomen.nii.gz", voxels, spacing_mm=(3, 3, 4))


def _labelled_scan(data: Path) -> None:
    """A CT of as many slices as four slabs and the unused ones between them need."""
    image, label = _tissue(11, (48, 40, 24))
    save_nifti(data / "liver.nii.gz", image, spacing_mm=(6, 6, 5))
    save_nifti(data / "liver_seg.nii.gz", label, spacing_mm=(6, 6, 5))


def _medmnist(path: Path) -> None:
    rng, arrays = np.random.default_rng(0), {}
    for split, n in (("train", 8), ("val", 4), ("test", 8)):
        labels = np.arange(n) % 2
        images = rng.integers(80, 120, (n, 28, 28)) + labels[:, None, None] * 60
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images.astype(np.uint8), labels[:, None].astype(np.uint8)
    np.savez_compressed(path, **arrays)


def _table(root: Path) -> None:
    (root / "images").mkdir(parents=True)
    lines, rng = ["file,kind,diagnosis,patient"], np.random.default_rng(1)
    for k in range(16):
        Image.fromarray((rng.integers(60, 90, (40, 40)) + 90 * (k % 2)).astype(np.uint8)).save(root / f"images/{k}.png")
        lines.append(f"images/{k}.png,{'ab'[k % 2]},{'ab'[k % 2]},p{k}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _slides(root: Path) -> None:
    lines = ["slide,tumour,patient,split"]
    for number, split in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 4):
        name = f"{split}_{number:03d}"
        colours = [DARK, (225, 150, 200)][number % 2]
        tiles = {f"{k}_0.png": section((224, 224), [(0, 0, 224, 224)], seed=k, colours=colours) for k in range(2)}
        write_tiles(root / name, tiles)
        lines.append(f"{name},{number % 2},p{number},{split}")
    (root / "slides.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _msd(root: Path, n: int = 5) -> None:
    entries = []
    for k in range(n):
        image, labels = _tissue(k, (48, 40, 2))
        save_nifti(root / "imagesTr" / f"case_{k}.nii.gz", image, spacing_mm=(2, 2, 3))
        save_nifti(root / "labelsTr" / f"case_{k}.nii.gz", labels, spacing_mm=(2, 2, 3))
        entries.append({"image": f"./imagesTr/case_{k}.nii.gz", "label": f"./labelsTr/case_{k}.nii.gz"})
    names = {"0": "background", "1": "liver", "2": "cancer"}
    listing = {"modality": {"0": "CT"}, "labels": names, "training": entries, "test": []}
    (root / "dataset.json").write_text(json.dumps(listing), encoding="utf-8")


def _nnunet(msd: Path, root: Path) -> None:
    for kind, end in (("imagesTr", "_0000"), ("labelsTr", "")):
        (root / kind).mkdir(parents=True)
        for path in sorted((msd / kind).iterdir()):
            shutil.copy(path, root / kind / path.name.replace(".nii.gz", f"{end}.nii.gz"))
    content = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "kidney": 1, "tumour": 2},
        "numTraining": 5,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")


def _pictures_with_masks(root: Path) -> None:
    root.mkdir()
    rows = ["image,mask,video"]
    for k in range(5):
        rng, mask = np.random.default_rng(k), np.zeros((40, 56), np.uint8)
        row, column = rng.integers(2, 18), rng.integers(2, 30)
        mask[row : row + 18, column : column + 22] = 1
        picture = rng.integers(60, 90, (40, 56, 3)) + mask[..., None] * np.array([120, 0, 0])
        Image.fromarray(picture.astype(np.uint8)).save(root / f"{k}.png")
        Image.fromarray(mask).save(root / f"{k}_mask.png")
        rows.append(f"{k}.png,{k}_mask.png,v{k}")
    (root / "masks.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _tissue(seed: int, shape: tuple[int, int, int], mean: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """(int16 [X, Y, Z], labels uint8: 1 organ, 2 lesion in it); where mean is 0 with air, as every CT has."""
    rng, labels = np.random.default_rng(seed), np.zeros(shape, np.uint8)
    row, column = rng.integers(6, 20, 2)
    labels[row : row + 16, column : column + 14] = 1
    labels[row + 4 : row + 9, column + 4 : column + 9] = 2
    image = rng.normal(mean, 20, shape) + np.array([0, 150, 60])[labels]
    if not mean:
        image[0] = -1000
    return image.astype(np.int16), labels


def _radiographs(root: Path) -> None:
    """ChestX-ray14 as downloaded, of sixteen patients."""
    (root / "images").mkdir(parents=True)
    findings = ["Effusion", "Mass", "Effusion|Mass", "No Finding"]
    rows, lists = ["Image Index,Finding Labels,Patient ID"], {"train_val_list.txt": [], "test_list.txt": []}
    for k in range(16):
        name = f"{k:08d}_000.png"
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (32, 32)).astype(np.uint8)).save(
            root / "images" / name
        )
        rows.append(f"{name},{findings[k % 4]},{k}")
        lists["train_val_list.txt" if k < 12 else "test_list.txt"].append(name)
    (root / "Data_Entry_2017.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name, images in lists.items():
        (root / name).write_text("\n".join(images) + "\n", encoding="utf-8")
