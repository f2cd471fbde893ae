"""Features of volumes in files: tokens of every slice, what made them, and cases that fail."""

import json

import pytest
import torch
from monai.transforms import Compose, Orientationd
from safetensors import safe_open
from safetensors.torch import load_file
from visible_files import visible
from volume_files import ct_voxels, save_nifti

from meddino_components.data import LoadVolumed
from meddino_components.embeddings import backbone_encoder
from meddino_components.errors import InputError
from meddino_components.features import ReferenceSlices, write_volume_features
from meddino_components.networks import vit_backbone

PREPROCESSING = Compose([LoadVolumed(["image"]), Orientationd(["image"], axcodes="PLS", labels=None)])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return vit_backbone("vit_tiny", depth=1).eval()


@pytest.fixture
def cases(tmp_path):
    for name in "ab":
        save_nifti(tmp_path / f"{name}.nii.gz", ct_voxels(ord(name)))
    return [{"image": str(tmp_path / f"{name}.nii.gz"), "case_id": name, "modality": "ct"} for name in "ab"]


def write(network, cases, folder, **settings):
    given = {"preprocessing": PREPROCESSING, "size_px": 32, "n_pictures": 0, **settings}
    return write_volume_features(backbone=network, cases=cases, output_dir=folder, **given)


def test_files_hold_the_tokens_of_every_slice(network, cases, tmp_path):
    assert write(network, cases, tmp_path / "out", batch_size=2, n_pictures=1) == []
    assert visible(tmp_path / "out") == ["a.png", "a.safetensors", "b.png", "b.safetensors"]
    found = load_file(tmp_path / "out" / "a.safetensors")
    read = ReferenceSlices(data=cases[:1], preprocessing=PREPROCESSING, size_px=32)
    with torch.no_grad():
        cls, patches = backbone_encoder(network)(torch.stack([read[k]["image"] for k in range(len(read))]))
    assert len(read) == 5
    torch.testing.assert_close(found["cls"].float(), cls, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(found["patches"].float().flatten(1, 2), patches, atol=2e-3, rtol=2e-3)
    with safe_open(tmp_path / "out" / "a.safetensors", "pt") as file:
        assert {name: json.loads(file.metadata()[name]) for name in ("case_id", "size_px", "patch_size")} == {
            "case_id": "a",
            "size_px": 32,
            "patch_size": 16,
        }


def test_finished_cases_are_skipped_unless_network_size_or_scan_changed(network, cases, tmp_path):
    def times(**settings):
        write(network, cases, tmp_path / "out", skip_existing=True, **settings)
        return [(tmp_path / "out" / f"{name}.safetensors").stat().st_mtime_ns for name in "ab"]

    first = times()
    assert times() == first
    save_nifti(tmp_path / "b.nii.gz", ct_voxels(7))
    changed = times()
    assert (changed[0] == first[0], changed[1] == first[1]) == (True, False)
    other = times(size_px=48)
    assert all(a != b for a, b in zip(other, changed, strict=True))
    with torch.no_grad():
        next(network.parameters()).add_(1)
    assert all(a != b for a, b in zip(times(size_px=48), other, strict=True))


def test_a_case_that_fails_does_not_stop_the_others(network, cases, tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"no volume")
    (failed,) = write(network, cases, tmp_path / "out")
    assert failed.startswith("a: ")
    assert visible(tmp_path / "out") == ["b.safetensors"]


def test_no_case(network, tmp_path):
    with pytest.raises(InputError, match="there is no case to run"):
        write(network, [], tmp_path / "out")
