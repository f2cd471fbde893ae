"""Labels drawn in DICOM come out as the voxels that were drawn, or are refused with what is wrong."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from drawn_labels import write_segmentation, write_structure_set
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data import LoadLabeld, LoadVolumed
from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError

pytest.importorskip("highdicom")
pytest.importorskip("skimage")

NAMES = ["background", "liver", "right kidney"]
SHAPE = (24, 20, 5)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    folder = write_dicom_series(tmp_path_factory.mktemp("scan") / "series", ct_voxels(shape=SHAPE))
    return folder, read_series(folder)


@pytest.fixture(scope="module")
def masks():
    """A liver with a hole in it, and a kidney of two slices in the hole's neighbourhood."""
    liver, kidney = (np.zeros(SHAPE, bool) for _ in range(2))
    liver[3:12, 4:15, 1:4] = True
    liver[6:9, 7:11, 2] = False
    kidney[14:20, 5:9, 2:4] = True
    return {"Liver": liver, "Kidney, Right": kidney}


def load(folder, label, **settings):
    case = LoadVolumed("image")({"image": str(folder), "modality": "ct", "label": str(label)})
    settings = {"label_names": NAMES, "drawn_names": {"kidney_right": "right kidney"}} | settings
    return LoadLabeld("label", **settings)(case)["label"]


def expected(masks):
    labels = np.zeros(SHAPE, np.uint8)
    for number, mask in enumerate(masks.values(), start=1):
        labels[mask] = number
    return labels


@pytest.mark.parametrize("flip", [False, True])
def test_a_segmentation_is_what_was_drawn(scan, masks, tmp_path, flip):
    folder, series = scan
    label = load(folder, write_segmentation(tmp_path / "seg.dcm", masks, series, flip=flip))
    np.testing.assert_array_equal(label[0], expected(masks))
    np.testing.assert_array_equal(label.affine, series.affine)
    assert np.unique(label).tolist() == [0, 1, 2]


def test_a_structure_set_is_what_was_drawn(scan, masks, tmp_path):
    folder, series = scan
    label = load(folder, write_structure_set(tmp_path / "rs.dcm", masks, series.affine))
    np.testing.assert_array_equal(label[0], expected(masks))


def test_names_that_are_no_labels_are_left_out_with_a_warning(scan, masks, tmp_path):
    folder, series = scan
    path = write_structure_set(tmp_path / "rs.dcm", {**masks, "BODY": np.ones(SHAPE, bool)}, series.affine)
    with pytest.warns(UserWarning, match="left out: BODY$"):
        label = load(folder, path)
    np.testing.assert_array_equal(label[0], expected(masks))


def test_a_volume_is_read_as_before(scan, masks, tmp_path):
    folder, series = scan
    nib.save(nib.Nifti1Image(expected(masks), series.affine), tmp_path / "label.nii.gz")
    label = load(folder, tmp_path / "label.nii.gz")
    np.testing.assert_array_equal(label[0], expected(masks))
    assert label.dtype.itemsize == 1


@pytest.mark.parametrize(
    ("write", "settings", "message"),
    [
        (
            {"masks": {"Spleen": np.ones(SHAPE, bool)}},
            {},
            r"none of its regions \(Spleen\)",
        ),
        ({"series_uid": "1.2.3"}, {}, "was drawn on another series"),
        ({"shift_mm": 1.5}, {}, r"'Liver' has a contour 0\.38 slices from the middle"),
        ({"shift_mm": 20.0}, {}, "outside the scan"),
        ({}, {"drawn_names": {"GTV": "tumour"}}, "'GTV' stands for 'tumour', which is not a label"),
    ],
)
def test_refused_with_the_facts(scan, masks, tmp_path, write, settings, message):
    folder, series = scan
    write = {"masks": masks, **write}
    path = write_structure_set(tmp_path / "rs.dcm", write.pop("masks"), series.affine, **write)
    with pytest.raises(InputError, match=message):
        load(folder, path, **settings)


def test_overlapping_segments_are_refused(scan, masks, tmp_path):
    folder, series = scan
    both = {**masks, "Kidney, Right": masks["Liver"]}
    path = write_structure_set(tmp_path / "rs.dcm", both, series.affine)
    with pytest.raises(InputError, match=rf"shares {masks['Liver'].sum()} voxels with 'liver'"):
        load(folder, path)


def test_fractions_are_refused(scan, masks, tmp_path):
    folder, series = scan
    path = write_segmentation(tmp_path / "seg.dcm", masks, series, kind="FRACTIONAL")
    with pytest.raises(InputError, match="fractions"):
        load(folder, path)


def masks_of_classes(folder, *names):
    """A mask in a file for each class, one voxel each."""
    paths = {}
    for number, name in enumerate(names):
        voxels = np.zeros(SHAPE, np.uint8)
        voxels[number, 0, 0] = 1
        paths[name] = str(save_nifti(folder / f"{name}.nii.gz", voxels))
    return paths


def test_a_mask_for_each_class(tmp_path):
    """Names decide, not the order; masks of other classes are not read."""
    masks = masks_of_classes(tmp_path, "kidney_right", "Liver") | {"heart": str(tmp_path / "lost.nii.gz")}
    case = {"label": masks, "case_id": "s0000"}
    read = LoadLabeld("label", label_names=NAMES, drawn_names={"kidney_right": "right kidney"})(case)["label"]
    assert np.argwhere(read.numpy()[0] == 1).tolist() == [[1, 0, 0]]
    assert np.argwhere(read.numpy()[0] == 2).tolist() == [[0, 0, 0]]
    assert read.meta["filename_or_obj"] == str(tmp_path)
    with pytest.raises(
        InputError, match="case s0000: has no mask of 'right kidney'; it has kidney_right, Liver, heart"
    ):
        LoadLabeld("label", label_names=NAMES)(case)


def test_a_class_that_was_not_annotated_needs_no_mask(tmp_path):
    case = {"label": masks_of_classes(tmp_path, "liver"), "annotated": ["liver"]}
    read = LoadLabeld("label", label_names=NAMES)(case)["label"]
    assert np.unique(read.numpy()).tolist() == [0, 1]


def test_a_slice_is_no_label(scan):
    folder, _ = scan
    with pytest.raises(InputError, match="expected a DICOM SEG or an RTSTRUCT"):
        load(folder, sorted(folder.iterdir())[0])


def test_a_real_segmentation_equals_its_volume():
    if not os.environ.get("MEDDINO_DATA"):
        pytest.skip("set MEDDINO_DATA to the folder with real scans")
    folder = Path(os.environ["MEDDINO_DATA"]) / "dcmqi" / "segmentations"
    drawn, volume = (load(folder / "ct-3slice", folder / name) for name in ("liver.dcm", "liver_seg.nrrd"))
    assert drawn.sum() == 107_098
    np.testing.assert_array_equal(drawn[0], volume[0])


def test_a_volume_with_values_and_classes_of_its_own(masks, tmp_path):
    path = tmp_path / "label.nii.gz"
    nib.save(nib.Nifti1Image(expected(masks) * np.uint8(10), np.eye(4)), path)
    case = {"label": str(path), "case_id": "a", "label_values": {10: 1, 20: 255}, "annotated": ["liver"]}
    found = LoadLabeld("label", label_names=NAMES)(case)
    np.testing.assert_array_equal(found["label"][0], np.array([0, 1, 255], np.uint8)[expected(masks)])
    assert found["annotated"].tolist() == [True, True, False]
    with pytest.raises(InputError, match=r"label\.nii\.gz: contains label 2 \(right kidney\), but the case says"):
        LoadLabeld("label", label_names=NAMES)({**case, "label_values": {10: 1, 20: 2}})


def test_values_of_a_file_are_those_of_its_label_alone(masks, tmp_path):
    path = tmp_path / "label.nii.gz"
    nib.save(nib.Nifti1Image(expected(masks), np.eye(4)), path)
    case = {"label": str(path), "pred": str(path), "label_values": {2: 1}}
    found = LoadVolumed(["label", "pred"], label_keys=["label", "pred"])(case)
    assert (np.unique(found["label"]).tolist(), np.unique(found["pred"]).tolist()) == ([0, 1], [0, 1, 2])


def test_drawn_regions_go_by_name_and_may_contradict_the_case(scan, masks, tmp_path):
    folder, series = scan
    path = write_segmentation(tmp_path / "seg.dcm", masks, series)
    case = LoadVolumed("image")({"image": str(folder), "modality": "ct", "label": str(path), "label_values": {1: 2}})
    read = LoadLabeld("label", label_names=NAMES, drawn_names={"kidney_right": "right kidney"})
    np.testing.assert_array_equal(read(case)["label"][0], expected(masks))
    with pytest.raises(
        InputError, match=r"seg\.dcm: contains label 2 \(right kidney\), but .* only liver was annotated"
    ):
        read({**case, "annotated": ["liver"]})
