"""Paths of any characters, as users type them: the scan that was named is segmented, into the folder that was named."""

import shutil

import pytest
from command_lines import AMOS
from in_process import command

from meddino_components.bundle import segment
from meddino_components.export.command import _configuration


@pytest.fixture
def scans(phantoms, tmp_path, monkeypatch):
    """Two patients whose folders differ after a '#'."""
    monkeypatch.chdir(tmp_path)
    images = sorted((phantoms / "imagesTr").glob("*.nii.gz"))
    for folder, image, name in (("patient", images[0], "first"), ("patient #12", images[1], "second")):
        (tmp_path / folder).mkdir()
        shutil.copy(image, tmp_path / folder / f"{name}.nii.gz")
    return tmp_path


def test_the_folder_with_a_hash_and_not_the_one_without(scans, model):
    arguments = ["--bundle", AMOS, "--overlay_config", "laptop", "--modality", "ct", "--model", model]
    assert command("segment", "patient #12", "$out#8", *arguments) == 0
    assert (scans / "$out#8" / "second.nii.gz").is_file()
    assert sorted(path.name for path in scans.iterdir()) == ["$out#8", "patient", "patient #12"]


def test_from_python_numbers_and_references_are_names(scans, model):
    shutil.move(scans / "patient #12", scans / "2024_01_05")
    summary = segment(
        ["2024_01_05/second.nii.gz", "patient/first.nii.gz"],
        "@output",
        bundle=AMOS,
        overlay_config="laptop",
        modality="ct",
        model=model,
    )
    assert summary["ok"] == 2
    assert {path.name for path in (scans / "@output").glob("*.nii.gz")} == {
        "2024_01_05_second.nii.gz",
        "patient_first.nii.gz",
    }


def test_a_misspelt_option_leaves_finished_labels_alone(scans, capsys):
    (scans / "out").mkdir()
    (scans / "out" / "first.nii.gz").write_bytes(b"corrected by hand")
    assert command("segment", "patient", "out", "--bundle", AMOS, "--skip_exsting") == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("error: segment has no option --skip_exsting: did you mean --skip_existing?")
    )
    assert (scans / "out" / "first.nii.gz").read_bytes() == b"corrected by hand"


def test_export_reads_its_paths_as_they_are(tmp_path):
    parser = _configuration(AMOS, None, {"model_path": "$model#1.pt"})
    assert parser.get_parsed_content("model_path") == "$model#1.pt"
    assert parser.get_parsed_content("bundle_root") == str(AMOS)
