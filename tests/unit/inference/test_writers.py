"""Predictions come back on the source's own grid, whatever its orientation."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest
import torch
from command_lines import REPOSITORY, run_preloaded
from inference_support import all_orientations, evaluator, oblique_affine, phantom, reoriented, save
from monai.data import MetaTensor
from visible_files import visible

from meddino_components.data import list_cases
from meddino_components.data.volumes.grids import as_on_grid
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


def test_header_text_and_extensions_are_left_out(tmp_path: Path) -> None:
    image = nib.Nifti1Image(phantom(), np.diag([1.5, 1.5, 4.0, 1]))
    image.header["descrip"] = b"DOE^JANE 1961-02-03"
    texts = ("descrip", "aux_file", "intent_name", "db_name", "data_type")
    for field in texts[1:]:
        image.header[field] = b"PAT-4711"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "a.nii")
    evaluator(list_cases(tmp_path, modality="ct"), tmp_path / "out").run()
    written = nib.load(tmp_path / "out" / "a.nii.gz")
    for field in texts:
        assert bytes(written.header[field]).strip(b"\0") == b""
    content = gzip.decompress((tmp_path / "out" / "a.nii.gz").read_bytes())
    assert not any(text in content for text in (b"DOE", b"PAT-4711", b"Jane"))
    assert not written.header.extensions
    assert written.header.get_xyzt_units()[0] == "mm"
    assert "Jane" not in (tmp_path / "out" / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_nrrd_and_metaimage_become_nifti_on_the_same_grid(tmp_path: Path, suffix: str) -> None:
    affine = oblique_affine()
    save(tmp_path / "a.nii.gz", affine=affine)
    (tmp_path / "b").mkdir()
    itk.imwrite(itk.imread(str(tmp_path / "a.nii.gz")), str(tmp_path / "b" / f"a{suffix}"))
    evaluator(list_cases(tmp_path / "b", modality="ct"), tmp_path / "out").run()
    written = nib.load(tmp_path / "out" / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), phantom())
    np.testing.assert_allclose(written.affine, affine, atol=1e-4)


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


def test_another_grid_is_refused() -> None:
    array = np.zeros((4, 5, 6), np.uint8)
    moved = np.eye(4)
    moved[0, 3] = 0.01
    for affine, shape in ((moved, (4, 5, 6)), (np.diag([2.0, 1, 1, 1]), (4, 5, 6)), (np.eye(4), (4, 5, 7))):
        with pytest.raises(InputError, match="does not contain the voxels"):
            as_on_grid(array, np.eye(4), affine, shape)


def test_views_write_through() -> None:
    ornt = all_orientations()[29]
    array, affine = phantom(), oblique_affine()
    target = reoriented(array, affine, ornt)
    view = as_on_grid(array, affine, target.get_sform(), target.shape)
    np.testing.assert_array_equal(view, target.get_fdata())
    view[...] = 5
    assert (array == 5).all()


_FULL_DISK = """
import resource, sys
sys.path.insert(0, {here!r})
from pathlib import Path
import numpy as np
from inference_support import evaluator
from meddino_components.data import list_cases
source, out = Path({source!r}), Path({out!r})
engine = evaluator(list_cases(source, modality="ct"), out)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
engine.run()
engine.exit_if_failed()
"""


def test_full_disk_leaves_nothing_half_written_and_goes_on(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4, (64, 64, 8)).astype(np.float32)  # 10 kB compressed
    save(tmp_path / "in" / "a_large.nii.gz", noise)
    save(tmp_path / "in" / "b_small.nii.gz")
    out = tmp_path / "out"
    script = _FULL_DISK.format(here=str(REPOSITORY / "tests" / "support"), source=str(tmp_path / "in"), out=str(out))
    done = run_preloaded(sys.executable, "-c", script)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "File too large" in done.stdout
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
