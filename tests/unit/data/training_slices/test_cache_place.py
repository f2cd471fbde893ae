"""Where preprocessed volumes lie, and how large they will be."""

from pathlib import Path

import numpy as np
import pytest
from monai.transforms import Compose, Orientationd
from volume_files import ct_voxels, save_nifti

from meddino_components.data import LoadVolumed, ResampleInPlaned, VolumeCache, default_cache_dir
from meddino_components.data.training_slices.cache_place import cached_bytes, check_space
from meddino_components.errors import InputError


def test_the_place_is_the_users_choice_or_else_the_users_caches(monkeypatch):
    monkeypatch.setenv("MEDDINO_CACHE", "/data/shared")
    assert default_cache_dir() == "/data/shared/volumes"
    monkeypatch.delenv("MEDDINO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_cache_dir() == "/caches/meddino/volumes"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache_dir() == "/home/somebody/.cache/meddino/volumes"


@pytest.mark.parametrize("axcodes", ["PLS", "ILP", "IPL"])
def test_the_size_is_known_from_headers(tmp_path, axcodes):
    """Within what rounding pixels and the headers of the arrays make."""
    cases = []
    for number, shape in enumerate([(64, 40, 6), (50, 50, 9)]):
        image, label = tmp_path / f"i{number}.nii", tmp_path / f"l{number}.nii"
        save_nifti(image, ct_voxels(shape=shape))
        save_nifti(label, np.ones(shape, np.uint8))
        cases.append({"image": str(image), "label": str(label), "case_id": str(number)})
    steps = [
        LoadVolumed(["image", "label"]),
        Orientationd(["image", "label"], axcodes=axcodes, labels=None),
        ResampleInPlaned(["image", "label"], pixdim=0.5, mode=["bilinear", "nearest"]),
    ]
    expected = cached_bytes(cases, steps)
    VolumeCache(data=cases, preprocessing=Compose(steps), cache_dir=tmp_path / "cache")
    names = ("image.npy", "label.npy")
    written = sum(path.stat().st_size for name in names for path in (tmp_path / "cache").glob(f"*/{name}"))
    assert expected == pytest.approx(written, rel=0.03)
    series = {"image": str(tmp_path), "label": cases[0]["label"]}
    assert cached_bytes([*cases, series], steps) == pytest.approx(1.5 * expected, rel=1e-6)
    assert cached_bytes([series], steps) is None


def test_a_disk_without_room_is_refused(tmp_path):
    check_space(tmp_path / "a" / "b", 1, 3)
    check_space(tmp_path, None, 3)
    with pytest.raises(InputError, match=f"{tmp_path}: preprocessed volumes of 3 cases need about 1152921504.6 GB"):
        check_space(Path(tmp_path), 2**60, 3)
