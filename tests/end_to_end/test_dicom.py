"""DICOM in, NIfTI and DICOM SEG out, as users type it, with a small network."""

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brats_volumes import write_dicom_case
from command_lines import AMOS, BRATS
from dicom_segmentations import labels_of_segmentation
from in_process import command, untouched_process, write_laptop_model
from visible_files import visible
from volume_files import PATIENT, SERIES_UID, ct_voxels, save_nifti, write_dicom_series

from meddino_components.bundle import segment
from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError

CT = ct_voxels(shape=(48, 40, 5))
OTHER = SERIES_UID + "7"


def run(source, output, model, *arguments):
    settings = ["--bundle", AMOS, "--overlay_config", "laptop", "--model", model]
    return command("segment", source, output, *settings, *arguments)


def test_a_tree_of_series_and_files(model, tmp_path, capfd):
    pytest.importorskip("highdicom")
    source, out = tmp_path / "in", tmp_path / "out"
    regular = write_dicom_series(source / "regular", CT, name="IM{}")
    write_dicom_series(source / "tilted", CT, tilt=1.0)
    write_dicom_series(source / "two", CT)
    write_dicom_series(source / "two", CT, series_uid=OTHER, name="x{}")
    assert run(source, out, model, "--dicom_seg") == 1
    text = capfd.readouterr()
    assert "3 cases: 1 ok, 2 failed, 0 skipped" in text.out
    assert "gantry tilt of 14.0 degrees" in text.out
    assert OTHER in text.out
    labels = nib.load(out / "regular.nii.gz")
    voxels = np.asarray(labels.dataobj)
    volume = read_series(regular)
    np.testing.assert_allclose(labels.affine, volume.affine, atol=1e-5)
    np.testing.assert_array_equal(labels_of_segmentation(out / "regular.dcm", volume.affine, voxels.shape), voxels)
    assert voxels.any()
    for path in (out / name for name in visible(out)):
        content = str(nib.load(path).header).encode() if path.suffix == ".gz" else path.read_bytes()
        named = [value for value in PATIENT.values() if value.encode() in content]
        assert bool(named) == (path.suffix == ".dcm"), path.name
    assert not any(value in text.out + text.err for value in PATIENT.values())


def test_a_series_by_its_uid_and_a_tilt_resampled(model, tmp_path, capfd):
    folder = write_dicom_series(tmp_path / "two", CT)
    write_dicom_series(folder, CT, series_uid=OTHER, name="x{}", tilt=1.8)
    assert command("series", folder) == 0
    listed = capfd.readouterr().out
    assert f"{OTHER}  5 files, CT, 5 slices, 48 x 40" in listed
    assert PATIENT["description"] not in listed
    assert run(folder, tmp_path / "out", model, "--series_uid", OTHER, "--gantry_tilt", "resample") == 0
    assert nib.load(tmp_path / "out" / "two.nii.gz").shape == (48, 48, 5)


def test_the_python_api_returns_the_summary(model, tmp_path):
    settings = {"bundle": AMOS, "model": model, "overlay_config": "laptop"}
    scan = save_nifti(tmp_path / "scan.nii.gz", CT)
    with untouched_process():
        summary = segment(scan, tmp_path / "out", modality="ct", **settings)
        assert (summary["ok"], summary["failed"]) == (1, 0)
        scan.write_bytes(scan.read_bytes()[:500])
        summary = segment(tmp_path / "scan.nii.gz", tmp_path / "again", modality="ct", **settings)
        assert "truncated or damaged" in summary["cases"][0]["error"]
        with pytest.raises(InputError, match="not found"):
            segment(scan, tmp_path / "out", bundle=tmp_path)


def test_a_brain_of_four_series(tmp_path, capfd):
    pytest.importorskip("highdicom")
    weights, out = tmp_path / "model.pt", tmp_path / "out"
    write_laptop_model(weights, bundle=BRATS)
    folders = write_dicom_case(tmp_path / "in" / "p1")
    settings = ["--bundle", BRATS, "--overlay_config", "laptop", "--model", weights, "--dicom_seg"]
    assert command("segment", tmp_path / "in", out, *settings) == 0
    voxels = np.asarray(nib.load(out / "p1.nii.gz").dataobj)
    assert voxels.any()
    found = labels_of_segmentation(out / "p1.dcm", read_series(folders["t1"]).affine, voxels.shape)
    # segments are numbered without gaps: the enhancing tumour is the third
    np.testing.assert_array_equal(found, np.where(voxels == 4, 3, voxels))
    # a case without its SEG is not complete
    capfd.readouterr()
    (out / "p1.dcm").unlink()
    assert command("segment", tmp_path / "in", out, *settings, "--skip_existing") == 0
    assert (out / "p1.dcm").exists()
    assert command("segment", tmp_path / "in", out, *settings, "--skip_existing") == 0
    assert "1 case: 0 ok, 0 failed, 1 skipped" in capfd.readouterr().out
    # which file is which sequence is said by names, not by UIDs
    assert command("segment", tmp_path / "in", out, *settings, "--series_uid", SERIES_UID) == 2
    assert "no key 'series_uid'" in capfd.readouterr().err


@pytest.mark.slow
def test_real_series(model, tmp_path):
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("MEDDINO_DATA is not set: no folder with real data")
    real = Path(os.environ["MEDDINO_DATA"])
    source = tmp_path / "in"
    shutil.copytree(real / "dcmqi" / "segmentations" / "ct-3slice", source / "ct")
    shutil.copytree(real / "picai_prostatex0000_t2tra", source / "mr")
    shutil.copytree(real / "dcm_qa_ct_ge", source / "tilted")
    assert run(source, tmp_path / "out", model, "--dicom_seg") == 1
    for name, folder in (("ct", source / "ct"), ("mr_4.000000-t2tsetra-00702", next((source / "mr").iterdir()))):
        voxels = np.asarray(nib.load(tmp_path / "out" / f"{name}.nii.gz").dataobj)
        affine = read_series(folder).affine
        found = labels_of_segmentation(tmp_path / "out" / f"{name}.dcm", affine, voxels.shape)
        np.testing.assert_array_equal(found, voxels)
    assert not (tmp_path / "out" / "tilted_In_GE.nii.gz").exists()
