import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import Orientationd

from meddino_components.data import AMOS_LABELS, CheckSameGridd, LoadVolumed, read_datalist
from meddino_components.errors import InputError
from meddino_components.phantoms import write_phantoms
from meddino_components.phantoms.render import render_case

SMALL = {"in_plane_px": 96, "slice_mm": (9.0, 10.0)}
# millilitres that a radiologist would pass, with the coarse voxels of these tests
PLAUSIBLE_ML = {
    1: (70, 400), 2: (90, 320), 3: (90, 320), 4: (8, 70), 5: (10, 45), 6: (900, 2400), 7: (150, 600), 8: (50, 160),
    9: (45, 160), 10: (40, 140), 11: (1, 12), 12: (1, 12), 13: (30, 130), 14: (50, 320), 15: (12, 80),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("set") / "phantoms", n_ct=2, n_mr=1, n_val_ct=1, **SMALL)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(case):
    transform = Orientationd(keys=("image", "label"), axcodes="PLS", labels=None)
    return transform(CheckSameGridd()(LoadVolumed(keys=("image", "label"))(case)))


def test_layout(folder):
    cases = read_datalist(folder, "amos", "all_labelled")
    assert [(c["case_id"], c["modality"]) for c in cases] == [
        ("amos_0001", "ct"), ("amos_0002", "ct"), ("amos_0501", "mr"),
    ]  # fmt: skip
    assert [c["case_id"] for c in read_datalist(folder, "amos", "official_validation")] == ["amos_0003"]
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["labels"]["6"] == AMOS_LABELS[6]
    assert not list(folder.rglob(".tmp_*"))


def test_anatomy_is_plausible(folder):
    for case in read_datalist(folder, "amos", "all_labelled"):
        loaded = load(case)
        label, image = loaded["label"].numpy()[0], loaded["image"].numpy()[0]
        ml = abs(np.linalg.det(loaded["label"].affine.numpy()[:3, :3])) / 1000
        centre = {}
        for organ, (low, high) in PLAUSIBLE_ML.items():
            assert low < (label == organ).sum() * ml < high, (case["case_id"], AMOS_LABELS[organ])
            centre[organ] = np.argwhere(label == organ).mean(axis=0)
        # [rows to posterior, columns to the left, slices upwards]: the liver on the left of the picture
        assert centre[6][1] < centre[8][1] < centre[1][1]
        assert centre[2][1] < centre[9][1] < centre[8][1] < centre[3][1]
        assert centre[14][2] < centre[13][2] < centre[6][2]
        assert centre[7][0] < centre[3][0]
        if case["modality"] == "ct":
            assert abs(np.median(image[label == 6]) - 85) < 45
            assert image.min() < -900


def test_deterministic_and_cases_differ(folder, tmp_path):
    again = write_phantoms(tmp_path, n_ct=1, n_mr=1, n_val_ct=0, **SMALL)
    for name in ("amos_0001.nii.gz", "amos_0501.nii.gz"):
        for part in ("imagesTr", "labelsTr"):
            assert digest(again / part / name) == digest(folder / part / name)
    other = write_phantoms(tmp_path / "other", n_ct=1, n_val_ct=0, seed=1, **SMALL)
    assert digest(other / "imagesTr" / "amos_0001.nii.gz") != digest(folder / "imagesTr" / "amos_0001.nii.gz")


def test_pose_varies_by_centimetres():
    """An atlas fails: the same organ of two patients hardly overlaps on the voxel grid."""
    centres = []
    for number in range(6):
        case = render_case(rng=np.random.default_rng(number), modality="ct", in_plane_px=64, slice_mm=(14.0, 14.0))
        offset = np.argwhere(case.label == 10).mean(axis=0) - np.asarray(case.label.shape) / 2
        centres.append(offset * case.spacing_mm)
    assert np.std(centres, axis=0).min() > 5.0


def test_stored_orientations_vary(tmp_path):
    root = write_phantoms(tmp_path, n_ct=8, n_val_ct=0, in_plane_px=32, slice_mm=(40.0, 40.0))
    affines = [nib.load(p).affine for p in sorted((root / "imagesTr").glob("*.nii.gz"))]
    assert len({nib.aff2axcodes(a) for a in affines}) >= 3
    assert any(np.count_nonzero(np.abs(a[:3, :3]) > 1e-3) > 3 for a in affines)  # oblique


def test_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="do not belong to a phantom data set"):
        write_phantoms(tmp_path, n_ct=1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("bad", [{"n_ct": -1}, {"n_ct": 500}, {"n_ct": 0, "n_val_ct": 0}, {"in_plane_px": 8}])
def test_bad_numbers(tmp_path, bad):
    with pytest.raises(InputError):
        write_phantoms(tmp_path / "x", **bad)
