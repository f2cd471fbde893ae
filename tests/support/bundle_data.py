"""A small data set such as a segmentation bundle is for, by its configuration and metadata."""

import json

import numpy as np
from brats_volumes import write_brats
from bundle_configs import label_names, read_json
from drawn_labels import write_structure_set
from sparse_volumes import write_sparse, write_sparse_ct
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data.cases.totalsegmentator_labels import TOTALSEGMENTATOR_LABELS
from meddino_components.data.volumes.dicom import read_series

_SHAPE = (48, 40, 4)


def write_data_of(bundle, root, n_cases=5):
    """Write labelled cases in the layout that the bundle states, with its labels and its modality."""
    train = read_json(bundle, "train")
    layout, modality = train["dataset_layout"] or "amos", train["modality"] or "ct"
    return WRITERS[layout](root, label_names(bundle), modality, n_cases)


def small_case(seed, names, modality):
    """(int16 [X, Y, Z], labels uint8): a box of its own brightness for each label, in tissue and air."""
    rng, labels = np.random.default_rng(seed), np.zeros(_SHAPE, np.uint8)
    row, column = rng.integers(4, 12, 2)
    bands = np.array_split(np.arange(row, row + 32), len(names) - 1)
    for label, rows in zip(sorted(names)[1:], bands, strict=True):
        labels[rows[0] : rows[-1] + 1, column : column + 20] = label
    image = rng.normal(40, 20, _SHAPE) + 150.0 * (labels > 0) + 10.0 * labels
    image[:3] = -1000
    return (image if modality == "ct" else image.clip(0)).astype(np.int16), labels


def _nifti_set(prefix, image_end, listing):
    def write(root, names, modality, n_cases):
        cases = []
        for number in range(1, n_cases + 1):
            image, labels = small_case(number, names, modality)
            case = f"{prefix}_{number:04d}"
            save_nifti(root / "imagesTr" / f"{case}{image_end}.nii.gz", image, spacing_mm=(6, 6, 10))
            save_nifti(root / "labelsTr" / f"{case}.nii.gz", labels, spacing_mm=(6, 6, 10))
            cases.append({"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"})
        content = listing(names, modality.upper(), cases)
        (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
        return root

    return write


def _listed(names, modality, cases):
    return {"modality": {"0": modality}, "labels": names, "training": cases, "validation": [], "test": []}


def _nnunet(names, modality, cases):
    labels = {name: label for label, name in names.items()}
    channels = {"channel_names": {"0": modality}, "file_ending": ".nii.gz"}
    return {**channels, "labels": labels, "numTraining": len(cases)}


def nnunet_regions(root, n_cases=5):
    """A set of nnU-Net whose labels form the regions whole (1 and 2) and core (2)."""
    _nifti_set("case", "_0000", _nnunet)(root, {0: "background", 1: "rim", 2: "core"}, "ct", n_cases)
    path = root / "dataset.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content |= {"labels": {"background": 0, "whole": [1, 2], "core": [2]}, "regions_class_order": [1, 2]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return root


def _dicom(root, names, modality, n_cases):
    for number in range(1, n_cases + 1):
        folder, uid = root / f"patient_{number}", f"1.2.826.0.1.3680043.9.9999.{number}"
        voxels = ct_voxels(number, _SHAPE)
        write_dicom_series(folder, voxels, series_uid=uid, patient_id=f"P{number}")
        bands = np.array_split(np.arange(10, 40), len(names) - 1)
        masks = {name: np.zeros(_SHAPE, bool) for label, name in names.items() if label}
        for mask, rows in zip(masks.values(), bands, strict=True):
            mask[rows[0] : rows[-1] + 1, 12:28] = True
        write_structure_set(folder / "structures.dcm", masks, read_series(folder).affine, series_uid=uid)
    return root


def _named(image_name, label_name):
    """Writer of a CT data set whose files have these names, with the number of the case."""

    def write(root, names, modality, n_cases):
        for number in range(1, n_cases + 1):
            image, labels = small_case(number, names, modality)
            save_nifti(root / image_name.format(number), image, spacing_mm=(6, 6, 10))
            save_nifti(root / label_name.format(number), labels, spacing_mm=(6, 6, 10))
        return root

    return write


def _totalsegmentator(root, names, modality, n_cases):
    """A mask for each of the 117 classes, most of them empty; the last two cases are for validation and for testing."""
    rows = ["image_id;split"]
    for number in range(n_cases):
        image, labels = small_case(number, names, modality)
        subject = root / f"s{number:04d}"
        save_nifti(subject / "ct.nii.gz", image, spacing_mm=(6, 6, 10))
        of_name = {name: label for label, name in names.items()}
        for name in list(TOTALSEGMENTATOR_LABELS.values())[1:]:
            mask = (labels == of_name.get(name, 255)).astype(np.uint8)
            save_nifti(subject / "segmentations" / f"{name}.nii.gz", mask, spacing_mm=(6, 6, 10))
        split = {n_cases - 2: "val", n_cases - 1: "test"}.get(number, "train")
        rows.append(f"{subject.name};{split}")
    (root / "meta.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def _openkbp(root, names, modality, n_cases):
    """Every second patient lacks the last organ; the last two are for validation and for testing."""
    for number in range(1, n_cases + 1):
        image, labels = small_case(number, names, modality)
        part = {n_cases - 1: "validation-pats", n_cases: "test-pats"}.get(number, "train-pats")
        folder = root / "provided-data" / part / f"pt_{number}"
        write_sparse_ct(folder, image, (6, 6, 10))
        for label, name in list(names.items())[1 : -1 if number % 2 else None]:
            write_sparse(folder / f"{name.title().replace(' ', '')}.csv", labels == label)
    return root


WRITERS = {
    "amos": _nifti_set("amos", "", _listed),
    "msd": _nifti_set("case", "", _listed),
    "nnunet_raw": _nifti_set("case", "_0000", _nnunet),
    "brats": lambda root, names, modality, n_cases: write_brats(root, n_cases=n_cases),
    "dicom": _dicom,
    "kits23": _named("case_{:05d}/imaging.nii.gz", "case_{:05d}/segmentation.nii.gz"),
    "lits": _named("Training Batch 1/volume-{}.nii", "Training Batch 1/segmentation-{}.nii"),
    "totalsegmentator": _totalsegmentator,
    "openkbp": _openkbp,
    "btcv": _named("RawData/Training/img/img{:04d}.nii.gz", "RawData/Training/label/label{:04d}.nii.gz"),
}
