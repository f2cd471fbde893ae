"""Curation in a process of its own: killed, resumed, on a cluster."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_lines import environment
from visible_files import partial_files
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data.curation import curate
from meddino_components.data.slice_store import SliceStore

pytest.importorskip("blosc2")
pytestmark = pytest.mark.slow
N_CASES = 14


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Cases of which each takes some time, a duplicate and a file that is none."""
    root = tmp_path_factory.mktemp("in") / "scans"
    for number in range(N_CASES - 3):
        save_nifti(root / f"case_{number:02d}.nii.gz", ct_voxels(number, shape=(160, 150, 12)))
    save_nifti(root / "copy.nii", ct_voxels(3, shape=(160, 150, 12)))
    write_dicom_series(root / "series", ct_voxels(99, shape=(160, 150, 12)))
    (root / "broken.nii.gz").write_bytes(b"\x1f\x8b broken")
    return root


@pytest.fixture(scope="module")
def uninterrupted(scans, tmp_path_factory):
    output = tmp_path_factory.mktemp("uninterrupted") / "store"
    curate(scans, output, modality="ct", progress=False, num_workers=0)
    return output


def files_of(output):
    files = (path for path in output.rglob("*") if path.is_file() and path.parent.name != ".meddino")
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def notes(output):
    return list((output / ".curation").glob("[0-9a-f]*.json"))


def start(scans, output):
    code = "import sys; from meddino_components.data.curation import curate\n"
    code += "if __name__ == '__main__': print(curate(sys.argv[1], sys.argv[2], modality='ct', num_workers=2))\n"
    command = [sys.executable, "-c", code, str(scans), str(output)]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )


def test_killed_at_random_moments_and_resumed(scans, uninterrupted, tmp_path):
    output, rng = tmp_path / "store", random.Random(0)
    kills = 0
    for n_notes in (1, 4, 8, 11):
        process = start(scans, output)
        deadline = time.time() + 120
        while process.poll() is None and len(notes(output)) < n_notes and time.time() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
            _, alive = psutil.wait_procs(children, timeout=20)
            assert alive == []  # no worker goes on writing
        process.communicate()
        for path in notes(output):
            json.loads(path.read_text(encoding="utf-8"))  # complete or not there
    assert kills >= 2
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in notes(output)}
    assert before
    process = start(scans, output)
    printed = process.communicate(timeout=300)[0]
    assert process.returncode == 0, printed
    for path, stamp in before.items():  # what was complete was not done again
        assert (path.stat().st_mtime_ns, path.stat().st_ino) == stamp
    found, expected = files_of(output), files_of(uninterrupted)
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []
    store = SliceStore(output)
    assert len(store) == 12 * (N_CASES - 2)
    assert not partial_files(output)


def test_on_a_ray_cluster(scans, uninterrupted, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray puts a token there
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    curate(scans, tmp_path / "store", modality="ct", ray=True, progress=False)
    found, expected = files_of(tmp_path / "store"), files_of(uninterrupted)
    assert found == expected


def test_real_scans_of_every_format(tmp_path):
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("set MEDDINO_DATA to the folder with real scans")
    data = Path(os.environ["MEDDINO_DATA"])
    names = ("totalseg_ct", "dcmqi", "dcm_qa_ct_ge", "vtkjs_lidc2", "picai_prostatex0000_t2tra")
    curate({name: data / name for name in names}, tmp_path / "ct", modality="ct", progress=False, num_workers=2)
    report = json.loads((tmp_path / "ct" / "report.json").read_text(encoding="utf-8"))
    taken = {row["case_id"]: row["slices"] for row in report["taken"]}
    assert taken == {"example_ct": 112, "example_ct_sm": 30, "segmentations_ct-3slice": 3}
    why = {row["case_id"]: row["why"] for row in report["skipped"]}
    assert "windowed picture" in why["LIDC2_converted"]
    assert "gantry tilt of 18.5 degrees" in why["In_GE"]
    assert "the DICOM files say 'MR'" in why["4.000000-t2tsetra-00702"]
    assert (tmp_path / "ct" / "contact_sheet.png").stat().st_size > 100_000
    names = ("picai_prostatex0000_t2tra", "pyradiomics_brain")
    curate({name: data / name for name in names}, tmp_path / "mr", modality="mr", progress=False, num_workers=2)
    report = json.loads((tmp_path / "mr" / "report.json").read_text(encoding="utf-8"))
    assert {row["case_id"]: row["kind"] for row in report["skipped"]} == {
        "brain1_label": "refused",
        "brain2_label": "refused",
    }
