"""Predictions come back on the source's own grid, whatever its orientation."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from inference_support import all_orientations, evaluator, oblique_affine, phantom, reoriented, save
from monai.data import MetaTensor
from visible_files import visible

from meddino_components.data import list_cases
from meddino_components.errors import InputError
from meddino_components.inference import WriteCased


@pytest.mark.parametrize("invert", [True, False], ids=["inverted", "canonical"])
def test_all_48_orientations_give_the_same_labels_in_the_same_places(tmp_path: Path, invert: bool) -> None:
    volume, affine = phantom(), oblique_affine()
    orientations = all_orientations()
    for number, ornt in enumerate(orientations):
        nib.save(reoriented(volume, affine, ornt), tmp_path / f"in_{number:02d}.nii.gz")
    cases = list_cases(tmp_path, modality="ct")
    assert len(cases) == len({tuple(map(tuple, o)) for o in orientations}) == 48
    engine = evaluator(cases, tmp_path / "out", invert=invert)
    engine.run()
    assert engine.summary.count("ok") == 48
    for number, ornt in enumerate(orientations):
        source = nib.load(tmp_path / f"in_{number:02d}.nii.gz")
        written = nib.load(tmp_path / "out" / f"in_{number:02d}.nii.gz")
        expected = reoriented(volume, affine, ornt).get_fdata()
        assert written.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(np.asarray(written.dataobj), expected)
        for form in ("get_sform", "get_qform"):
            matrices = [getattr(image, form)(coded=True) for image in (source, written)]
            np.testing.assert_array_equal(matrices[0][0], matrices[1][0])  # to the bit
            assert matrices[0][1] == matrices[1][1]
        assert np.array_equal(source.affine, written.affine)


def test_report_holds_volumes(tmp_path: Path) -> None:
    affine = oblique_affine()
    save(tmp_path / "a.nii.gz", affine=affine)
    evaluator(
        list_cases(tmp_path, modality="ct"), tmp_path / "out", writer={"model_sha256": "abc", "record_id": "def"}
    ).run()
    report = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))
    voxel_ml = abs(np.linalg.det(affine[:3, :3])) / 1000
    assert report["organs"]["liver"] == {"label": 1, "voxels": 63, "volume_ml": round(63 * voxel_ml, 3)}
    assert report["organs"]["spleen"]["voxels"] == 196
    assert list(report["organs"]) == ["liver", "spleen", "aorta"]
    assert report["shape"] == [21, 18, 7]
    np.testing.assert_allclose(report["spacing_mm"], [0.8, 1.1, 2.5], atol=1e-5)
    assert (report["model_sha256"], report["record_id"]) == ("abc", "def")
    assert report["seconds"] > 0
    described = {"case_id", "organs", "at_edge", "shape", "spacing_mm", "seconds", "software"}
    assert set(report) == described | {
        "files",
        "source_digest",
        "model_sha256",
        "record_id",
        "settings",
        "settings_digest",
    }


@pytest.mark.parametrize("case_id", ["../a", "", ".hidden", "a/b", "a:b"])
def test_case_ids_that_are_no_file_names(tmp_path: Path, case_id: str) -> None:
    image = MetaTensor(torch.zeros(1, 2, 2, 2), meta={"original_affine": np.eye(4), "spatial_shape": (2, 2, 2)})
    with pytest.raises(InputError, match="cannot be used as a file name"):
        WriteCased(output_dir=tmp_path, label_names=["b"])({"image": image, "pred": image, "case_id": case_id})


def test_full_disk_leaves_nothing_half_written_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 4, (64, 64, 8)).astype(np.float32)  # 10 kB compressed
    save(tmp_path / "in" / "a_large.nii.gz", noise)
    save(tmp_path / "in" / "b_small.nii.gz")
    out = tmp_path / "out"
    engine = evaluator(list_cases(tmp_path / "in", modality="ct"), out)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, unlimited[1]))
    try:
        engine.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    with pytest.raises(SystemExit) as end:
        engine.exit_if_failed()
    assert end.value.code == 1
    assert "File too large" in capsys.readouterr().out
    assert visible(out) == [
        "b_small.json", "b_small.nii.gz", "summary.csv", "summary.json"
    ]  # fmt: skip


def test_an_error_while_writing_keeps_what_existed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.nii.gz")
    cases, out = list_cases(tmp_path / "a.nii.gz", modality="ct"), tmp_path / "out"
    evaluator(cases, out).run()
    before = {p.name: p.read_bytes() for p in out.glob("a.*")}

    def full(image: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", full)
    engine = evaluator(cases, out)
    engine.run()
    assert engine.summary.count("failed") == 1
    assert "No space left on device" in engine.summary.cases[0].error
    assert {name: (out / name).read_bytes() for name in visible(out) if not name.startswith("summary")} == before


def test_without_matplotlib_there_are_no_pictures_and_that_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    writer = WriteCased(output_dir=tmp_path, label_names=["background", "organ"])
    assert "no pictures: matplotlib is not installed; install the extra 'report'" in caplog.text
    assert writer.names({"case_id": "a", "image": "a.nii.gz"}) == ["a.nii.gz", "a.json"]
