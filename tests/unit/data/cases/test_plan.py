import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation
from volume_files import save_nifti, write_dicom_series

from meddino_components.data import NormalizeIntensityByModalityd, plan
from meddino_components.data.cases.plan import divisible_size, intensity_fingerprint
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
    assert list(written) == ["axcodes", "pixdim", "roi_size", "fingerprint"]
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
    pixdim = [pytest.approx(1.1 * 112 / 128), pytest.approx(96 / 128)]
    assert result == {"axcodes": "PLS", "pixdim": pixdim, "roi_size": [128, 128], "fingerprint": None}
    assert plan(tmp_path, "brats", 128, modality="mr") == result
    with pytest.raises(InputError, match="MRI sequences"):
        plan(tmp_path, modality="ct")


def test_of_two_modalities_ct_is_planned_for_and_said(dataset):
    content = json.loads((dataset / "dataset.json").read_text())
    for folder in ("imagesTr", "labelsTr"):
        (dataset / folder / "amos_0600.nii.gz").write_bytes((dataset / folder / "amos_0001.nii.gz").read_bytes())
    content["training"].append({"image": "imagesTr/amos_0600.nii.gz", "label": "labelsTr/amos_0600.nii.gz"})
    (dataset / "dataset.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="contains ct and mr scans; this plan covers the ct scans"):
        assert plan(dataset) == plan(dataset, modality="ct")
    assert plan(dataset, modality="mr")["fingerprint"] is None


def write_cases(root, spacing_mm, stored=("RAS", "LPS", "PIR", "SLA"), oblique=True, suffix=".nii.gz"):
    """MR cases of 24 x 30 x 36 voxels (to the right, to the front, upwards), each stored otherwise, the last turned."""
    entries = []
    for number, axes in enumerate(stored):
        turn = Rotation.from_euler("zxy", (12, -9, 15), degrees=True) if oblique and number == len(stored) - 1 else None
        affine = np.eye(4)
        affine[:3, :3] = (np.eye(3) if turn is None else turn.as_matrix()) * spacing_mm
        volume = nib.Nifti1Image(np.ones((24, 30, 36), np.uint8), affine)
        order = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
        )
        for folder in ("imagesTr", "labelsTr"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            path = root / folder / f"case{number}{suffix}"
            stored_volume = volume.as_reoriented(order)
            if suffix == ".nii.gz":
                nib.save(stored_volume, path)
            else:
                _write_by_itk(stored_volume, path)
        entries.append({name[:5]: f"{name}/case{number}{suffix}" for name in ("imagesTr", "labelsTr")})
    content = {"training": entries, "labels": {"0": "background", "1": "cord"}, "modality": {"0": "MRI"}}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def _write_by_itk(volume, path):
    import itk

    image = itk.GetImageFromArray(np.asarray(volume.dataobj).transpose(2, 1, 0).copy())
    lps = np.diag([-1.0, -1.0, 1.0]) @ volume.affine[:3, :3]
    spacing = np.linalg.norm(lps, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection(itk.matrix_from_array(lps / spacing))
    itk.imwrite(image, str(path))


@pytest.mark.parametrize(
    ("spacing_mm", "axcodes", "in_plane_mm", "patch"),
    [
        # mm to the right, to the front and upwards; 24, 30, 36 voxels; patches are multiples of 4, or 8 from 32
        ((4.0, 0.8, 0.9), "IPL", (0.9, 0.8), (40, 32)),
        ((0.8, 4.0, 0.9), "ILP", (0.9, 0.8), (40, 24)),
        ((0.8, 0.9, 4.0), "PLS", (0.9, 0.8), (32, 24)),
        ((1.0, 1.0, 1.0), "PLS", (1.0, 1.0), (32, 24)),
        ((1.01, 1.0, 1.0), "PLS", (1.0, 1.01), (32, 24)),
        # thin axial slices of coarse pixels
        ((3.9, 3.9, 2.5), "PLS", (3.9, 3.9), (32, 24)),
        ((1.19, 1.0, 1.0), "PLS", (1.0, 1.19), (32, 24)),
        ((1.21, 1.0, 1.0), "IPL", (1.0, 1.0), (40, 32)),
    ],
)
def test_slices_follow_each_other_along_the_coarsest_axis(tmp_path, spacing_mm, axcodes, in_plane_mm, patch):
    result = plan(write_cases(tmp_path, spacing_mm), roi_size=128, modality="mr", output=tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text()) == result
    assert (result["axcodes"], result["fingerprint"]) == (axcodes, None)
    expected = [mm * n / 128 for mm, n in zip(in_plane_mm, patch, strict=True)]
    assert result["pixdim"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_other_formats_are_planned_alike(tmp_path, suffix):
    nifti = plan(write_cases(tmp_path / "nifti", (4.0, 0.8, 0.9)), roi_size=128, modality="mr")
    assert plan(write_cases(tmp_path / "other", (4.0, 0.8, 0.9), suffix=suffix), roi_size=128, modality="mr") == nifti


def test_sagittal_dicom_series(tmp_path):
    """A series whose rows run to the back and whose columns run down; with its label beside it."""
    root = write_cases(tmp_path, (4.0, 0.8, 0.9), stored=("RAS",), oblique=False)
    positions = [f"{4.0 * k}\\0\\0" for k in range(24)]
    write_dicom_series(
        root / "imagesTr" / "series",
        np.full((30, 36, 24), 100, np.int16),
        spacing_mm=(0.8, 0.9, 4.0),
        orientation="0\\1\\0\\0\\0\\-1",
        position=positions,
        modality="MR",
        sop_class="1.2.840.10008.5.1.4.1.1.4",
    )
    content = json.loads((root / "dataset.json").read_text())
    content["training"] = [{"image": "imagesTr/series", "label": "labelsTr/case0.nii.gz"}]
    (root / "dataset.json").write_text(json.dumps(content))
    result = plan(root, roi_size=128, modality="mr")
    assert result["axcodes"] == "IPL"
    assert result["pixdim"] == pytest.approx([0.9 * 40 / 128, 0.8 * 32 / 128], abs=1e-5)


def test_scans_of_several_orientations_are_said(tmp_path):
    write_cases(tmp_path, (4.0, 0.8, 0.8), oblique=False)
    for folder in ("imagesTr", "labelsTr"):
        path = tmp_path / folder / "case0.nii.gz"
        nib.save(nib.Nifti1Image(np.ones((24, 30, 36), np.uint8), np.diag([0.8, 0.8, 4, 1])), path)
    with pytest.warns(UserWarning, match="planned sagittal.*of 4 scans 1 are axial by their own spacing"):
        assert plan(tmp_path, modality="mr")["axcodes"] == "IPL"


def test_the_orientation_may_be_stated(tmp_path):
    root = write_cases(tmp_path, (4.0, 0.8, 0.9))
    stated = plan(root, roi_size=128, modality="mr", axcodes="PLS")
    assert stated["axcodes"] == "PLS"
    assert stated["pixdim"] == pytest.approx([0.8 * 32 / 128, 4.0 * 24 / 128], abs=1e-5)
    with pytest.raises(InputError, match=r"axcodes is 'SAL'; expected PLS \(axial\), ILP \(coronal\) or IPL"):
        plan(root, axcodes="SAL")


@pytest.fixture
def real():
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("MEDDINO_DATA is not set: no folder with real data")
    return Path(os.environ["MEDDINO_DATA"])


def nnunet_like(root, cases, modality):
    content = {"training": cases, "labels": {"0": "background", "1": "a"}, "modality": {"0": modality}}
    (root / "dataset.json").write_text(json.dumps(content))


def test_real_ct_with_pixels_coarser_than_its_slices_stays_axial(real, tmp_path):
    """nnU-Net's rule, the coarsest axis whatever the difference, would take the first of two that are as coarse."""
    names = [f"pt_{number}" for number in (100, 101, 103, 104, 106)]
    cases = [
        {"image": str(real / "openkbp_hn_ct" / f"{name}_ct.nii.gz"),
         "label": str(real / "openkbp_hn_ct" / f"{name}_organs.nii.gz")}
        for name in names
    ]  # fmt: skip
    spacing = np.median([nib.load(case["image"]).header.get_zooms() for case in cases], axis=0)
    assert spacing.argmax() == 0
    nnunet_like(tmp_path, cases, "CT")
    assert plan(tmp_path)["axcodes"] == "PLS"


@pytest.mark.parametrize(("axis", "axcodes"), [(0, "IPL"), (1, "ILP"), (2, "PLS")])
def test_a_real_brain_of_which_every_fifth_slice_is_left(real, tmp_path, axis, axcodes):
    """There is no sagittal or coronal scan among the real data; 1 mm of one is 5 mm here."""
    brain = nib.load(real / "volren_stroke" / "stroke" / "T1.nii.gz")
    thinned = tuple(slice(None, None, 5) if n == axis else slice(None) for n in range(3))
    nib.save(brain.slicer[thinned], tmp_path / "image.nii.gz")
    label = np.ones(np.asarray(brain.slicer[thinned].shape), np.uint8)
    nib.save(nib.Nifti1Image(label, brain.slicer[thinned].affine), tmp_path / "label.nii.gz")
    nnunet_like(tmp_path, [{"image": str(tmp_path / "image.nii.gz"), "label": str(tmp_path / "label.nii.gz")}], "MRI")
    result = plan(tmp_path, roi_size=128, modality="mr")
    rows, columns = {"IPL": (140, 160), "ILP": (140, 124), "PLS": (160, 124)}[axcodes]
    patch = [160 if n > 128 else 128 for n in (rows, columns)]
    assert result["axcodes"] == axcodes
    assert result["pixdim"] == pytest.approx([n / 128 for n in patch], rel=1e-3)


def test_voxels_that_nobody_annotated_are_not_in_the_fingerprint(tmp_path):
    image = np.full((8, 8, 4), -1000, np.int16)
    image[:4], image[4:6] = np.random.default_rng(0).integers(40, 60, (4, 8, 4)), 300
    labels = np.zeros(image.shape, np.uint8)
    labels[1:3], labels[4:6] = 1, 2
    case = {"case_id": "a", "modality": "ct", "label_values": {"2": 255}}
    for key, voxels in (("image", image), ("label", labels)):
        case[key] = str(save_nifti(tmp_path / f"{key}.nii.gz", voxels))
    assert intensity_fingerprint([case])["percentile_99_5"] < 60
    assert intensity_fingerprint([case | {"label_values": {}}])["percentile_99_5"] == 300
