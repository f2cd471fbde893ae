"""Segmentation, evaluation and the other commands, as users type them."""

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from command_lines import AMOS, REPOSITORY, bundle_command, environment, run_preloaded
from in_process import command, run_here

from meddino_components.checkpoints import sha256_of, write_weights
from meddino_components.data import AMOS_LABELS
from meddino_components.networks import vit_backbone
from meddino_components.phantoms import write_phantoms

COMMANDS = ("segment", "series", "import_weights", "phantom", "plan", "build", "export")


@pytest.fixture(scope="session")
def mr_phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mr") / "phantoms"
    write_phantoms(folder, n_ct=0, n_mr=1, n_val_ct=0, in_plane_px=64, slice_mm=(16.0, 20.0))
    return folder / "imagesTr" / "amos_0501.nii.gz"


def segment(source, output_dir, *arguments, bundle=AMOS, modality="ct"):
    stated = ["--modality", modality] if modality else []
    return command("segment", source, output_dir, "--bundle", bundle, "--overlay_config", "laptop", *stated, *arguments)


def images_of(phantoms):
    return sorted((phantoms / "imagesTr").glob("*.nii.gz"))


def listing(folder):
    """What a user sees: without the hidden record and lock."""
    paths = (path.relative_to(folder) for path in Path(folder).rglob("*"))
    return {str(path) for path in paths if ".meddino" not in path.parts}


def test_a_folder_with_good_and_bad_cases(phantoms, mr_phantom, model, tmp_path, capsys):
    source, output = tmp_path / "Bilder für Ärzte", tmp_path / "Ergebnis 1"
    source.mkdir()
    shutil.copy(images_of(phantoms)[0], source / "gut 1.nii.gz")
    (source / "kaputt.nii.gz").write_bytes(images_of(phantoms)[1].read_bytes()[:2000])
    shutil.copy(mr_phantom, source / "mr.nii.gz")

    assert segment(source, output, "--model", model) == 1

    assert listing(output) == {"gut 1.nii.gz", "gut 1.json", "gut 1.png", "summary.json", "summary.csv"}
    image, labels = nib.load(source / "gut 1.nii.gz"), nib.load(output / "gut 1.nii.gz")
    assert labels.shape == image.shape
    assert np.array_equal(labels.affine, image.affine)
    voxels = np.asarray(labels.dataobj)
    assert voxels.dtype == np.uint8
    assert len(np.unique(voxels)) > 1
    report = json.loads((output / "gut 1.json").read_text(encoding="utf-8"))
    assert report["model_sha256"] == sha256_of(model)
    ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    for organ in report["organs"].values():
        assert organ["voxels"] == np.count_nonzero(voxels == organ["label"])
        assert organ["volume_ml"] == pytest.approx(organ["voxels"] * ml, abs=1e-3)
    assert [organ["label"] for organ in report["organs"].values()] == list(range(1, 16))

    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert (summary["ok"], summary["failed"]) == (1, 2)
    reasons = {case["case_id"]: case["error"] for case in summary["cases"]}
    assert "kaputt.nii.gz" in reasons["kaputt"]
    assert "truncated or damaged" in reasons["kaputt"]
    assert "mr.nii.gz: given as CT, but intensities run from" in reasons["mr"]
    printed = capsys.readouterr().out
    assert "3 cases: 1 ok, 2 failed" in printed
    assert "kaputt.nii.gz" in printed

    stamp = (output / "gut 1.nii.gz").stat().st_mtime_ns
    (source / "kaputt.nii.gz").unlink(), (source / "mr.nii.gz").unlink()
    assert segment(source, output, "--model", model, "--skip_existing") == 0
    assert (output / "gut 1.nii.gz").stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_a_file_by_monais_command_from_the_folder_of_the_bundle(phantoms, model, tmp_path):
    source = images_of(phantoms)[0]
    overrides = {"dataset_dir": str(source), "output_dir": str(tmp_path / "out"), "model_path": str(model)}
    command_line = bundle_command(["inference", "laptop"], {**overrides, "overlay": False, "modality": "ct"})
    place = command_line.index("--config_file") + 1
    command_line[place] = "['configs/inference.json','configs/laptop.json']"
    done = run_preloaded(*command_line, cwd=AMOS)
    assert done.returncode == 0, done.stderr[-3000:]
    case = source.name.removesuffix(".nii.gz")
    assert listing(tmp_path / "out") == {f"{case}.nii.gz", f"{case}.json", "summary.json", "summary.csv"}
    assert "1 case: 1 ok, 0 failed" in done.stdout
    # the same weights give the same labels in this process
    overrides["output_dir"] = str(tmp_path / "again")
    run_here(["inference", "laptop"], {**overrides, "overlay": False, "modality": "ct"})
    first, second = (np.asarray(nib.load(tmp_path / name / source.name).dataobj) for name in ("out", "again"))
    np.testing.assert_array_equal(first, second)


def dice(first, second):
    size = first.sum() + second.sum()
    return 2 * (first & second).sum() / size if size else float("nan")


def test_evaluation_reports_the_dice_of_the_written_labels(phantoms, model, tmp_path):
    output = tmp_path / "out"
    settings = {"dataset_dir": str(phantoms), "output_dir": str(output), "model_path": str(model)}
    run_here(["evaluate", "laptop"], settings)
    with (output / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"metrics.csv", "metrics.json", "report.html", "summary.json"} <= listing(output)
    cases = {row["case"] for row in rows}
    assert len(cases) == 1  # one of five is the fold's validation case
    assert len(rows) == 15
    (case,) = cases
    found = np.asarray(nib.load(output / f"{case}.nii.gz").dataobj)
    label = np.asarray(nib.load(phantoms / "labelsTr" / f"{case}.nii.gz").dataobj)
    names = list(AMOS_LABELS.values())
    measured = []
    for row in rows:
        k = names.index(row["organ"])
        if (label == k).any():
            assert float(row["dice"]) == pytest.approx(dice(found == k, label == k), abs=1e-4), row["organ"]
            measured.append(float(row["dice"]))
    assert len(measured) >= 10
    assert max(measured) > 0
    assert "<html" in (output / "report.html").read_text(encoding="utf-8")[:200]


def test_a_bundle_that_cannot_be_written_to_serves(phantoms, model, tmp_path):
    bundle = shutil.copytree(AMOS, tmp_path / "read only" / AMOS.name)
    (bundle / "models").mkdir(exist_ok=True)
    shutil.copy(model, bundle / "models" / "model.pt")
    before = listing(bundle)
    folders = [bundle, *(path for path in bundle.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert segment(images_of(phantoms)[0], tmp_path / "out", bundle=bundle) == 0
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)
    assert listing(bundle) == before  # root may write where it is told not to
    assert "summary.json" in listing(tmp_path / "out")


def wrong_inputs(tmp_path, phantoms, model):
    """Arguments and what the error names."""
    image = images_of(phantoms)[0]
    small = ["--backbone", "vit_tiny"]
    text = tmp_path / "a.txt"
    text.write_text("no image")
    return {
        "nothing there": (["segment", tmp_path / "lost", tmp_path / "o", "--bundle", AMOS], "lost: no such file"),
        "no image": (["segment", text, tmp_path / "o", "--bundle", AMOS], "a.txt: unknown kind of file"),
        "modality": (["segment", image, tmp_path / "o", "--bundle", AMOS, "--modality", "pet"], "'pet'"),
        "no modality": (["segment", image, tmp_path / "o", "--bundle", AMOS, "--model", model], "no modality is given"),
        "no weights": (
            ["segment", image, tmp_path / "o", "--bundle", AMOS, "--modality", "ct", "--model", tmp_path / "m.pt"],
            "m.pt",
        ),
        "no bundle": (["segment", image, tmp_path / "o", "--bundle", tmp_path], "inference.json not found"),
        "no overlay": (
            ["segment", image, tmp_path / "o", "--bundle", AMOS, "--overlay_config", "lapdog"],
            "has no configuration 'lapdog'. It has evaluate",
        ),
        "weights": (["import_weights", tmp_path / "lost.pth", tmp_path / "o.pt", *small], "lost.pth"),
        "backbone": (["import_weights", text, tmp_path / "o.pt", "--backbone", "vit_bass"], "'vit_bass'"),
        "phantoms": (
            ["phantom", text.parent, "--n_ct", "1"],
            "contains files that do not belong to a phantom data set",
        ),
        "data set": (["plan", tmp_path, "amos"], "dataset.json"),
        "layout": (["plan", phantoms, "amoss"], "'amoss'"),
        "series": (["series", tmp_path], "contains a DICOM image. Give another folder"),
        "layers": (["build", tmp_path], "layers.yaml not found"),
    }


def test_wrong_input_ends_with_one_line_and_status_2(phantoms, model, tmp_path, capsys):
    for name, (arguments, named) in wrong_inputs(tmp_path, phantoms, model).items():
        capsys.readouterr()
        assert command(*arguments) == 2, name
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, name
        assert named in lines[0], name
    assert listing(tmp_path) == {"a.txt"}  # nothing half written


@pytest.mark.slow
def test_a_wrong_input_in_a_process_of_its_own(tmp_path):
    arguments = [sys.executable, "-m", "meddino_components", "segment", "lost.nii.gz", str(tmp_path / "out")]
    done = subprocess.run(
        arguments, cwd=REPOSITORY, env=environment(), capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: lost.nii.gz: no such file or folder")
    assert "Traceback" not in done.stderr


def test_help_lists_the_commands(capsys):
    assert command("--help") == 0
    shown = "".join(capsys.readouterr())
    assert all(name in shown for name in COMMANDS)


def test_phantom_then_plan(tmp_path, capsys):
    folder = tmp_path / "phantoms"
    settings = ["--n_ct", "2", "--n_mr", "1", "--n_val_ct", "0", "--n_val_mr", "0", "--seed", "3"]
    assert command("phantom", folder, *settings) == 0
    names = listing(folder / "imagesTr")
    assert names == {"amos_0001.nii.gz", "amos_0002.nii.gz", "amos_0501.nii.gz"}
    assert len(json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["training"]) == 3

    overlay = tmp_path / "plan.yaml"
    assert command("plan", folder, "amos", "--roi_size", "128", "--output", overlay) == 0
    planned = yaml.safe_load(overlay.read_text(encoding="utf-8"))
    assert set(planned) == {"axcodes", "pixdim", "roi_size", "fingerprint"}
    assert (planned["axcodes"], planned["roi_size"]) == ("PLS", [128, 128])
    # phantoms of 176 pixels of about 2.2 mm: a patch of 192 shown at 128 pixels
    assert planned["pixdim"] == pytest.approx([2.2 * 192 / 128] * 2, rel=0.3)
    assert planned["fingerprint"]["percentile_00_5"] < planned["fingerprint"]["mean"]
    known = json.loads((AMOS / "configs/train.json").read_text(encoding="utf-8"))
    assert set(planned) <= set(known)  # an overlay of the bundle


def test_build_writes_the_configurations(tmp_path, capsys, monkeypatch):
    copy = shutil.copytree(REPOSITORY / "bundles", tmp_path / "bundles")
    committed = {path.name: path.read_text(encoding="utf-8") for path in (AMOS / "configs").glob("*.json")}
    for name in committed.keys() - {"metadata.json"}:
        (copy / AMOS.name / "configs" / name).unlink()
    monkeypatch.chdir(tmp_path)
    assert command("build") == 0
    assert {
        path.name: path.read_text(encoding="utf-8") for path in (copy / AMOS.name / "configs").glob("*.json")
    } == committed
    assert capsys.readouterr().out.count(f"{AMOS.name}/configs/") == len(committed) - 1
    monkeypatch.chdir(tmp_path / "bundles")
    assert command("build") == 2


def test_import_weights(tmp_path, capsys):
    torch.manual_seed(0)
    network = vit_backbone("vit_tiny", qkv_bias=False, norm_layer="layernorm", pos_embed_rope_dtype="bf16")
    official = {f"backbone.{key}": value for key, value in network.state_dict().items()}
    torch.save({"teacher": official}, tmp_path / "teacher.pth")
    output = tmp_path / "vit.safetensors"
    assert command("import_weights", tmp_path / "teacher.pth", output) == 0
    shown = capsys.readouterr().out
    assert sha256_of(tmp_path / "teacher.pth") in shown
    assert sha256_of(output) in shown
    again = tmp_path / "again.pt"
    assert command("import_weights", output, again, "--backbone", "vit_tiny") == 0
    content = torch.load(again, weights_only=True)
    assert all(torch.equal(content[key], value) for key, value in network.state_dict().items())
    # of another width than expected: an error that names both
    write_weights(vit_backbone("vit_tiny", depth=1, embed_dim=96).state_dict(), tmp_path / "narrow.pt")
    assert command("import_weights", tmp_path / "narrow.pt", tmp_path / "o.pt", "--backbone", "vit_tiny") == 2
    error = capsys.readouterr().err
    assert "narrow.pt is 96 wide, 1 blocks, 3 heads, mlp, but backbone is vit_tiny (192 wide, 12 blocks" in error
    assert not (tmp_path / "o.pt").exists()


@pytest.mark.slow
def test_a_real_scan_in_two_orientations(model, tmp_path):
    folder = os.environ.get("MEDDINO_DATA")
    if not folder:
        pytest.skip("MEDDINO_DATA names no folder of real cases")
    source = tmp_path / "in"
    source.mkdir()
    scan = nib.load(Path(folder) / "totalseg_ct" / "example_ct_sm.nii.gz")
    nib.save(scan, source / "a.nii.gz")
    turned = scan.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))
    nib.save(turned, source / "b.nii.gz")
    assert segment(source, tmp_path / "out", "--model", model) == 0
    first, second = (nib.load(tmp_path / "out" / f"{name}.nii.gz") for name in ("a", "b"))
    assert first.shape == scan.shape
    assert np.array_equal(first.affine, scan.affine)
    assert np.array_equal(second.affine, turned.affine)
    back = np.asarray(nib.as_closest_canonical(second).dataobj), np.asarray(nib.as_closest_canonical(first).dataobj)
    union = (back[0] > 0) | (back[1] > 0)
    assert union.sum() > 1000
    assert (back[0] == back[1])[union].mean() >= 0.999
