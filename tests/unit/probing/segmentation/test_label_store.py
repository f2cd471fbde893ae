"""Labels on disk: in canonical orientation, on the image's grid, read once."""

import sys

import nibabel as nib
import numpy as np
import pytest
from command_lines import run_preloaded
from PIL import Image
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.errors import InputError
from meddino_components.probing.segmentation import label_store
from meddino_components.probing.segmentation.label_store import labels_of


@pytest.fixture
def case(tmp_path):
    save_nifti(tmp_path / "image.nii.gz", ct_voxels(0))
    labels = np.zeros((24, 20, 5), np.uint8)
    labels[2:6, 3:5, 1:3] = 2
    save_nifti(tmp_path / "label.nii.gz", labels)
    return {
        "image": str(tmp_path / "image.nii.gz"),
        "label": str(tmp_path / "label.nii.gz"),
        "case_id": "a",
        "modality": "ct",
    }


def test_slices_come_as_a_radiologist_sees_them_and_on_the_square(case, tmp_path):
    found = labels_of(case, size_px=32, cache_dir=tmp_path, n_classes=3)
    stored = nib.load(case["label"])
    canonical = nib.as_closest_canonical(stored)
    ras = np.asarray(canonical.dataobj)  # x to the patient's right, y to the front, z up
    expected = ras[::-1, ::-1].transpose(2, 1, 0)  # rows to the back, columns to the left
    codes = nib.aff2axcodes(canonical.affine)
    assert codes == ("R", "A", "S")
    np.testing.assert_array_equal(found.native, expected)
    assert found.native.shape == (5, 20, 24)
    np.testing.assert_allclose(found.spacing_mm, (0.9, 0.7, 4.0), rtol=1e-5)
    assert found.fitted.shape == (5, 32, 32)
    assert found.present.shape == (5, 256)
    assert (
        found.present[:, 2].tolist() == (found.fitted == 2).any((1, 2)).tolist() == (expected == 2).any((1, 2)).tolist()
    )
    # the share of the square that the structure takes, of 18 mm rows (20 x 0.9) and 16.8 mm columns
    share = (found.fitted == 2).sum() / found.fitted.size
    assert share == pytest.approx((expected == 2).sum() * 0.63 / (5 * 18 * 18), rel=0.2)


def test_what_was_read_is_not_read_again_until_a_file_changes(case, tmp_path, monkeypatch):
    first = labels_of(case, size_px=32, cache_dir=tmp_path, n_classes=3)
    read, calls = label_store._read, []
    monkeypatch.setattr(label_store, "_read", lambda case: calls.append(1) or read(case))
    again = labels_of(case, size_px=32, cache_dir=tmp_path, n_classes=3)
    np.testing.assert_array_equal(again.native, first.native)
    assert (again.key, calls) == (first.key, [])
    labels_of(case, size_px=48, cache_dir=tmp_path, n_classes=3)
    save_nifti(tmp_path / "label.nii.gz", np.ones((24, 20, 5), np.uint8))
    changed = labels_of(case, size_px=32, cache_dir=tmp_path, n_classes=3)
    assert len(calls) == 2
    assert changed.key != first.key
    assert (changed.native == 1).all()


def test_an_image_in_a_folder_that_changes_in_place(case, tmp_path):
    """Of a DICOM series: the labels are checked against its grid again."""
    folder = write_dicom_series(tmp_path / "series", ct_voxels())
    key = label_store._key({**case, "image": str(folder)}, 32)
    with open(folder / "003.dcm", "ab") as file:
        file.write(b"  ")
    assert label_store._key({**case, "image": str(folder)}, 32) != key


def test_another_grid_and_a_label_without_a_name_are_refused(case, tmp_path):
    with pytest.raises(InputError, match=r"label.nii.gz: label 2, but there are names for 0 to 1"):
        labels_of(case, size_px=32, cache_dir=tmp_path, n_classes=2)
    save_nifti(tmp_path / "label.nii.gz", np.zeros((24, 20, 6), np.uint8))
    with pytest.raises(InputError, match=r"label.nii.gz: shape \(24, 20, 6\)"):
        labels_of(case, size_px=32, cache_dir=tmp_path, n_classes=3)


def test_a_mask_has_to_be_of_its_picture(tmp_path):
    Image.fromarray(np.zeros((8, 12, 3), np.uint8)).save(tmp_path / "a.png")
    mask = np.zeros((8, 12), np.uint8)
    mask[:4] = 1
    Image.fromarray(mask).save(tmp_path / "m.png")
    case = {"image": str(tmp_path / "a.png"), "label": str(tmp_path / "m.png"), "case_id": "a", "modality": "picture"}
    found = labels_of(case, size_px=24, cache_dir=tmp_path, n_classes=2)
    np.testing.assert_array_equal(found.native[0], mask)
    assert found.fitted.shape == (1, 24, 24)
    # 24 x 16 in the middle, its upper half labelled
    assert (found.fitted[0, 4:12] == 1).all()
    assert found.fitted.sum() == 8 * 24
    Image.fromarray(mask[:, :10]).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m.png: \(8, 10\) pixels, but .*a.png has \(8, 12\)"):
        labels_of(case, size_px=24, cache_dir=tmp_path, n_classes=2)


def test_more_cases_than_a_process_may_open_files(tmp_path):
    """A hundred cases with 64 file descriptors."""
    pytest.importorskip("resource")
    program = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from pathlib import Path
import numpy as np
from PIL import Image
from meddino_components.probing.segmentation.label_store import labels_of
folder, every = Path(sys.argv[1]), []
for k in range(100):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / f"{k}.png")
    Image.fromarray(np.full((8, 8), k, np.uint8)).save(folder / f"{k}_mask.png")
    files = {"image": str(folder / f"{k}.png"), "label": str(folder / f"{k}_mask.png")}
    case = {**files, "case_id": str(k), "modality": "picture"}
    every.append(labels_of(case, size_px=8, cache_dir=folder, n_classes=100))
for k, labels in enumerate(every):
    assert (labels.native == k).all() and (labels.fitted == k).all() and labels.present[0].nonzero()[0].tolist() == [k]
"""
    run_preloaded(sys.executable, "-c", program, tmp_path, check=True)


def test_the_values_of_a_file_are_read_as_its_case_says(case, tmp_path):
    plain = labels_of(case, size_px=32, cache_dir=tmp_path, n_classes=3)
    found = labels_of({**case, "label_values": {"2": 1}}, size_px=32, cache_dir=tmp_path, n_classes=3)
    np.testing.assert_array_equal(found.native, np.asarray(plain.native) // 2)
