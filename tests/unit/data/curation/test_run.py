import json
import os
import signal
import sys

import nibabel as nib
import numpy as np
import pytest
from holding import holder_of
from visible_files import visible
from volume_files import PATIENT, ct_voxels, save_nifti, write_dicom_series

from meddino_components.data.curation import case, curate, run
from meddino_components.data.slice_store import SliceStore, writer
from meddino_components.errors import InputError

pytest.importorskip("blosc2")
QUIET = {"contact_sheet": False, "progress": False, "num_workers": 0}


@pytest.fixture
def scans(tmp_path):
    """Three scans in a tree."""
    root = tmp_path / "scans für alle"
    for number in range(3):
        save_nifti(root / f"p{number}" / "imaging.nii.gz", ct_voxels(number))
    return root


@pytest.fixture
def reads(monkeypatch):
    """The paths that are read, in this process."""
    paths = []

    def read_case(path, *args, **kwargs):
        paths.append(path)
        return case.read_case(path, *args, **kwargs)

    monkeypatch.setattr(run, "read_case", read_case)
    return paths


def report_of(output):
    return json.loads((output / "report.json").read_text(encoding="utf-8"))


def skipped(output):
    return {row["case_id"]: row["kind"] for row in report_of(output)["skipped"]}


def files_of(output):
    """Everything in a store but when it was written."""
    return {p.relative_to(output).as_posix(): p.read_bytes() for p in output.rglob("*") if p.is_file()}


def test_a_tree_becomes_a_store(scans, tmp_path, capfd):
    output = tmp_path / "störe"
    summary = curate(str(scans), str(output), modality="ct", num_workers=2)
    assert "3 cases with 15 slices taken" in summary
    store = SliceStore(output)
    assert len(store) == 15
    np.testing.assert_array_equal(store.read(7), np.clip(ct_voxels(1), -1024, None)[::-1, ::-1].transpose(2, 1, 0)[2])
    assert store.source(7) == ("scans für alle", "p1_imaging", 2)
    assert store.volume(1).file == "p1/imaging.nii.gz"
    np.testing.assert_allclose(store.spacing_mm(7), (0.9, 0.7, 4.0), atol=1e-6)
    assert {name.split("-")[0] for name in visible(output)} == {
        *(".curation", "contact_sheet.png", "report.json", "report.txt"),
        *("slices", "store.json", "volumes"),
    }
    assert report_of(output)["totals"]["cases_taken"] == 3
    assert "3/3" in capfd.readouterr().err  # progress


def test_workers_change_nothing(scans, tmp_path):
    for name, workers in (("a", 0), ("b", 2)):
        curate(scans, tmp_path / name, modality="ct", contact_sheet=False, progress=False, num_workers=workers)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_nothing_is_read_twice_unless_it_changes(scans, tmp_path, reads):
    output = tmp_path / "out"
    (scans / "bad.nii.gz").write_bytes(b"")
    curate(scans, output, modality="ct", **QUIET)
    assert len(reads) == 4
    before = files_of(output)
    curate(scans, output, modality="ct", **QUIET)
    assert len(reads) == 4
    assert files_of(output) == before
    curate(scans, output, modality="ct", retry_skipped=True, **QUIET)
    assert [path.rsplit("/", 1)[1] for path in reads[4:]] == ["bad.nii.gz"]
    save_nifti(scans / "p1" / "imaging.nii.gz", ct_voxels(9))
    curate(scans, output, modality="ct", **QUIET)
    assert len(reads) == 6
    assert len(SliceStore(output)) == 15
    assert len(list(output.glob("volumes/*/*.b2nd"))) == 3  # the old voxels are gone


def test_duplicates_are_reported_whatever_their_file(scans, tmp_path):
    flipped = nib.Nifti1Image(ct_voxels(1), np.diag([0.7, 0.9, 4.0, 1.0])).slicer[:, ::-1]
    moved = flipped.affine.copy()
    voxels = np.asarray(flipped.dataobj)
    nib.save(nib.Nifti1Image(voxels, moved), scans / "z_copy.nii")
    curate(scans, tmp_path / "out", modality="ct", **QUIET)
    assert skipped(tmp_path / "out") == {"z_copy": "duplicate"}
    assert "the same voxels as scans für alle/p1_imaging" in report_of(tmp_path / "out")["skipped"][0]["why"]
    assert len(SliceStore(tmp_path / "out")) == 15


def test_the_exclusion_list_is_honoured_also_after_the_fact(scans, tmp_path, reads):
    output, exclude = tmp_path / "out", tmp_path / "exclude.txt"
    curate(scans, output, modality="ct", **QUIET)
    sha = {row["case_id"]: row["sha256"] for row in report_of(output)["taken"]}
    exclude.write_text(f"# test images\np0_*\nsha256:{sha['p2_imaging']}\nno_such_case\n")
    summary = curate(scans, output, modality="ct", exclude=exclude, **QUIET)
    assert "1 line of the exclusion list matched no case: 'no_such_case'" in summary
    assert skipped(output) == {"p0_imaging": "excluded", "p2_imaging": "excluded"}
    assert {SliceStore(output).source(i).case_id for i in range(5)} == {"p1_imaging"}
    assert len(list(output.glob("volumes/*/*.b2nd"))) == 1
    assert len(reads) == 3
    curate(scans, output, modality="ct", **QUIET)  # and taken in again
    assert len(SliceStore(output)) == 15
    assert len(reads) == 5


def test_hostile_files_are_named_and_the_others_taken(scans, tmp_path):
    good = (scans / "p0" / "imaging.nii.gz").read_bytes()
    (scans / "truncated.nii.gz").write_bytes(good[: len(good) // 2])
    (scans / "no_gzip.nii.gz").write_bytes(b"x" * 1000)
    (scans / "empty.nii.gz").write_bytes(b"")
    (scans / "pointer.nii").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    huge = nib.Nifti1Header()
    huge.set_data_shape((10_000, 10_000, 10_000))
    (scans / "huge.nii").write_bytes(huge.binaryblock + bytes(100))
    save_nifti(scans / "series.nii.gz", np.stack([ct_voxels()] * 2, axis=-1))
    save_nifti(scans / "constant.nii.gz", np.full((8, 8, 3), -700, np.int16))
    nan = ct_voxels().astype(np.float32)
    nan[:12] = np.nan
    save_nifti(scans / "nan.nii.gz", nan)
    few = ct_voxels(5).astype(np.float32)
    few[0, 0, :2] = np.nan
    save_nifti(scans / "few_nan.nii.gz", few)
    save_nifti(scans / "picture.nii.gz", np.clip(ct_voxels(), 0, 255).astype(np.uint8))
    write_dicom_series(scans / "tilted", ct_voxels(), tilt=1.0)
    output = tmp_path / "out"
    summary = curate(scans, output, modality="ct", **QUIET)
    kinds = skipped(output)
    unreadable = {"truncated", "no_gzip", "empty", "pointer", "huge", "series", "constant", "nan", "tilted"}
    assert kinds == {**dict.fromkeys(unreadable, "unreadable"), "picture": "refused"}
    assert all(row["case_id"] in row["why"] for row in report_of(output)["skipped"])
    assert "9 cases skipped: unreadable" in summary
    assert report_of(output)["totals"]["cases_taken"] == 4
    assert any("few_nan" in warning for warning in report_of(output)["warnings"])
    text = (output / "report.txt").read_text(encoding="utf-8")
    assert all(name in text for name in kinds)


def test_a_tilted_series_is_resampled_where_asked(tmp_path):
    write_dicom_series(tmp_path / "scans" / "tilted", ct_voxels(), tilt=-1.8)  # two pixels from slice to slice
    with pytest.raises(InputError, match=r"no case could be used \(1 listed\)"):
        curate(tmp_path / "scans", tmp_path / "store", modality="ct", **QUIET)
    assert "gantry tilt of 24.2 degrees" in report_of(tmp_path / "store")["skipped"][0]["why"]
    # the note of the first run does not stand in the way
    curate(tmp_path / "scans", tmp_path / "store", modality="ct", gantry_tilt="resample", **QUIET)
    store = SliceStore(tmp_path / "store")
    assert [store.read(k).shape for k in range(len(store))] == [(20 + 8, 24)] * 5


def test_a_missing_file_of_a_data_list_is_looked_for_again(scans, tmp_path, reads):
    (scans / "list.json").write_text(json.dumps(["p0/imaging.nii.gz", "later.nii.gz"]))
    curate(scans / "list.json", tmp_path / "out", modality="ct", **QUIET)
    assert skipped(tmp_path / "out") == {"later": "unreadable"}
    assert "later.nii.gz: no such file" in report_of(tmp_path / "out")["skipped"][0]["why"]
    save_nifti(scans / "later.nii.gz", ct_voxels(7))
    curate(scans / "list.json", tmp_path / "out", modality="ct", **QUIET)
    assert len(SliceStore(tmp_path / "out")) == 10
    assert len(reads) == 2


def test_sources_can_be_added_but_not_forgotten(scans, tmp_path, reads):
    output = tmp_path / "out"
    curate({"a": scans / "p0", "b": scans / "p1"}, output, modality="ct", **QUIET)
    curate({"a": scans / "p0", "b": scans / "p1", "c": scans / "p2"}, output, modality="ct", **QUIET)
    assert len(reads) == 3
    assert SliceStore(output).source(14).source_set == "c"
    with pytest.raises(InputError, match=r"contains other sources \(a, b\)"):
        curate({"c": scans / "p2"}, output, modality="ct", **QUIET)
    assert len(SliceStore(output)) == 15


def test_outputs_that_cannot_be(scans, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="exists and is not a slice store"):
        curate(scans, tmp_path / "mine", modality="ct", **QUIET)
    with pytest.raises(InputError, match="exists and is not a slice store"):
        curate(scans, scans / "p0" / "imaging.nii.gz", modality="ct", **QUIET)
    with pytest.raises(InputError, match="cannot be created or written to"):
        curate(scans, scans / "p0" / "imaging.nii.gz" / "out", modality="ct", **QUIET)
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "x"


def test_a_store_below_its_source(scans, reads):
    for _ in range(2):
        curate(scans, scans / "store", modality="ct", **QUIET)
    assert len(reads) == 3


def test_nothing_taken_is_an_error_that_says_why(tmp_path):
    save_nifti(tmp_path / "in" / "a.nii.gz", np.abs(ct_voxels()))
    with pytest.raises(InputError, match=r"no case could be used \(1 listed\); .*report\.txt says why\.\n0 cases"):
        curate(tmp_path / "in", tmp_path / "out", modality="ct", **QUIET)
    assert skipped(tmp_path / "out") == {"a": "refused"}
    assert not (tmp_path / "out" / "store.json").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk_stops_with_the_way_out_and_without_a_trace(scans, tmp_path, monkeypatch, workers):
    def full(root, data_file, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_volume", full)
        with pytest.raises(InputError, match=r"cannot be written.*No space left.*to continue where it stopped"):
            curate(scans, tmp_path / "out", modality="ct", **{**QUIET, "num_workers": workers})
    assert not (tmp_path / "out" / "store.json").exists()
    curate(scans, tmp_path / "out", modality="ct", **QUIET)
    assert len(SliceStore(tmp_path / "out")) == 15


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(MemoryError(), "too large"), (IndexError("odd"), "failed"), (PermissionError(13, "no"), "failed")],
)
def test_a_case_that_fails_stops_no_other_and_is_tried_again(scans, tmp_path, monkeypatch, raised, kind):
    def read_case(path, *args, **kwargs):
        if "p1" in path:
            raise raised
        return case.read_case(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(run, "read_case", read_case)
        curate(scans, tmp_path / "out", modality="ct", **QUIET)
    assert skipped(tmp_path / "out") == {"p1_imaging": kind}
    curate(scans, tmp_path / "out", modality="ct", **QUIET)
    assert skipped(tmp_path / "out") == {}


def test_a_killed_worker_is_an_error_that_says_what_to_do(scans, tmp_path, monkeypatch):
    def die(path, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(run, "read_case", die)
    with pytest.raises(InputError, match=r"a worker process was killed.*fewer num_workers"):
        curate(scans, tmp_path / "out", modality="ct", **{**QUIET, "num_workers": 1})


def test_nothing_of_a_patient_is_kept(tmp_path, capfd):
    write_dicom_series(tmp_path / "in" / "case 1" / "series", ct_voxels())
    write_dicom_series(tmp_path / "in" / "case 2", ct_voxels(), slope=None)
    save_nifti(tmp_path / "in" / "a.nii.gz", ct_voxels(3), descrip=f"{PATIENT['name']} {PATIENT['birth']}".encode())
    output = tmp_path / "out"
    printed = curate(tmp_path / "in", output, modality="ct", num_workers=1, contact_sheet=False)
    assert SliceStore(output).source(5)[:2] == ("in", "case 1_series")
    assert skipped(output) == {"case 2": "unreadable"}
    everything = [*files_of(output).values(), printed.encode(), "".join(capfd.readouterr()).encode()]
    for value in PATIENT.values():
        assert not any(value.encode() in content for content in everything), value


def test_missing_packages_are_named_at_the_start(scans, tmp_path, monkeypatch):
    for name, said in (("blosc2", r"extra 'pretrain'"), ("matplotlib.figure", r"extra 'report'")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(InputError, match=said):
                curate(scans, tmp_path / "out", modality="ct", progress=False, num_workers=0)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)
        with pytest.raises(InputError, match=r"extra 'ray'"):
            curate(scans, tmp_path / "out", modality="ct", ray=True, **QUIET)


def test_a_second_run_with_other_sources_is_refused(scans, tmp_path):
    curate({"a": scans / "p0"}, tmp_path / "store", modality="ct", **QUIET)
    with holder_of(tmp_path / "store") as holder, pytest.raises(InputError, match=f"process {holder.pid} on"):
        curate({"a": scans / "p0", "b": scans / "p1"}, tmp_path / "store", modality="ct", **QUIET)
    assert len(SliceStore(tmp_path / "store")) == 5


def test_a_report_that_was_edited_is_kept(scans, tmp_path, reads):
    curate(scans, tmp_path / "store", modality="ct", **QUIET)
    (tmp_path / "store" / "report.txt").write_text("remarks")
    n_read = len(reads)
    with pytest.raises(InputError, match=r"report\.txt: edited since"):
        curate(scans, tmp_path / "store", modality="ct", retry_skipped=True, **QUIET)
    assert len(reads) == n_read
    assert (tmp_path / "store" / "report.txt").read_text() == "remarks"
