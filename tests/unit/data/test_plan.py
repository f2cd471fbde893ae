import json

import nibabel as nib
import numpy as np
import pytest
import yaml
from volume_files import save_nifti

from meddino_components.data import NormalizeIntensityByModalityd, plan
from meddino_components.data.plan import divisible_size
from meddino_components.errors import InputError


@pytest.fixture
def dataset(tmp_path):
    """Three CT cases whose labelled voxels hold -50..149 evenly, with slices of 100 x 90 at 1, 2 and 4 mm."""
    entries = []
    for number, spacing in enumerate((1.0, 2.0, 4.0), start=1):
        image = np.full((90, 100, 2), -1000, np.int16)  # stored as L, P: columns come first
        label = np.zeros(image.shape, np.uint8)
        image[:20, :10, 0] = np.arange(200).reshape(20, 10) - 50
        label[:20, :10, 0] = 1
        name = f"amos_{number:04d}.nii.gz"
        for folder, voxels in (("imagesTr", image), ("labelsTr", label)):
            (tmp_path / folder).mkdir(exist_ok=True)
            affine = np.diag([-spacing, -spacing * 1.1, 5, 1])
            nib.save(nib.Nifti1Image(voxels, affine), tmp_path / folder / name)
        entries.append({"image": f"imagesTr/{name}", "label": f"labelsTr/{name}"})
    (tmp_path / "dataset.json").write_text(json.dumps({"training": entries}))
    return tmp_path


def test_plan_numbers(dataset):
    result = plan(dataset, "amos", roi_size=(256, 224))
    # median spacing 2.2 (rows) x 2 mm (columns); median slice 100 x 90, rounded up to multiples of 16
    assert result["pixdim"] == [pytest.approx(2.2 * 112 / 256, abs=1e-5), pytest.approx(2.0 * 96 / 224, abs=1e-5)]
    assert result["roi_size"] == [256, 224]
    expected = np.arange(200) - 50.0
    assert result["fingerprint"] == {
        "percentile_00_5": pytest.approx(np.percentile(np.tile(expected, 3), 0.5), abs=1e-3),
        "percentile_99_5": pytest.approx(np.percentile(np.tile(expected, 3), 99.5), abs=1e-3),
        "mean": pytest.approx(49.5),
        "std": pytest.approx(expected.std(), abs=1e-3),
    }


@pytest.mark.parametrize(("pixels", "planned"), [(512, 512), (600, 640), (176, 192), (4, 4), (1, 1)])
def test_divisible_size(pixels, planned):
    assert divisible_size(pixels) == planned


@pytest.mark.parametrize(("name", "read"), [("o.yaml", yaml.safe_load), ("o.json", json.loads)])
def test_overlay_is_what_was_returned_and_usable(dataset, name, read):
    result = plan(dataset, "amos", output=dataset / name)
    written = read((dataset / name).read_text(encoding="utf-8"))
    assert written == result
    assert list(written) == ["pixdim", "roi_size", "fingerprint"]
    NormalizeIntensityByModalityd(keys="image", fingerprint=written["fingerprint"])
    assert not list(dataset.glob(".tmp_*"))


def test_refused(dataset):
    with pytest.raises(InputError, match=r"\.yaml"):
        plan(dataset, "amos", output=dataset / "o.txt")
    with pytest.raises(InputError, match="no such folder"):
        plan(dataset, "amos", output=dataset / "x" / "o.yaml")
    with pytest.raises(InputError, match="roi_size"):
        plan(dataset, "amos", roi_size=0)


def test_of_mri_sequences_there_is_a_spacing_and_no_fingerprint(tmp_path):
    for case, spacing in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        for name in ("t1", "t1ce", "t2", "flair", "seg"):
            voxels = np.zeros((90, 100, 2), np.uint8)
            save_nifti(tmp_path / case / f"{case}_{name}.nii.gz", voxels, (spacing, spacing * 1.1, 5.0))
    result = plan(tmp_path, roi_size=128)
    # the median slice is of 100 x 90, rounded up to multiples of 16
    assert result == {"pixdim": [pytest.approx(1.1 * 112 / 128), pytest.approx(96 / 128)], "roi_size": [128, 128],
                      "fingerprint": None}  # fmt: skip
    assert plan(tmp_path, "brats", 128, modality="mr") == result
    with pytest.raises(InputError, match="MRI sequences"):
        plan(tmp_path, modality="ct")


def test_of_two_modalities_ct_is_planned_for_and_said(dataset):
    content = json.loads((dataset / "dataset.json").read_text())
    for folder in ("imagesTr", "labelsTr"):
        (dataset / folder / "amos_0600.nii.gz").write_bytes((dataset / folder / "amos_0001.nii.gz").read_bytes())
    content["training"].append({"image": "imagesTr/amos_0600.nii.gz", "label": "labelsTr/amos_0600.nii.gz"})
    (dataset / "dataset.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="holds ct and mr scans; this plan is of the ct scans"):
        assert plan(dataset) == plan(dataset, modality="ct")
    assert plan(dataset, modality="mr")["fingerprint"] is None
