"""The BraTS bundle by the command line, on small synthetic brains."""

import csv
import json
import re
import sys

import nibabel as nib
import numpy as np
import pytest
import torch
from brats_volumes import NAMES_2023, write_brats, write_brats_case
from command_lines import BRATS, losses, run_bundle
from in_process import cause, run_here, untouched_process
from tiny_settings import TINY
from visible_files import visible

from meddino_components.__main__ import main
from meddino_components.checkpoints import write_weights
from meddino_components.errors import InputError

SEQUENCES = ("t1", "t1ce", "t2", "flair")


@pytest.fixture(scope="session")
def brains(tmp_path_factory):
    """Five cases as in BraTS 2021."""
    return write_brats(tmp_path_factory.mktemp("brains") / "BraTS 2021 täglich")


@pytest.fixture(scope="session")
def trained(brains, tmp_path_factory):
    """The folder of a run of 12 steps, by the command line."""
    output = tmp_path_factory.mktemp("run")
    settings = {
        **settings_of(brains, output),
        "iterations_per_epoch": 6,
        "learning_rate": 1e-3,
        "random_start::layerscale_init": 1.0,
    }
    run_bundle(["train"], {**settings, "encoder_learning_rate": 1e-3}, run_id="training", bundle=BRATS)
    return output


def settings_of(data, output):
    common = {"dataset_dir": str(data), "output_dir": str(output), "model_path": str(output / "model.pt")}
    return {**TINY, **common, "pixdim": [4.0, 4.0]}


def small(trained, **settings):
    """Overrides for a run with the trained weights."""
    return {
        "roi_size": TINY["roi_size"],
        "amp": TINY["amp"],
        "pixdim": [4.0, 4.0],
        "model_path": str(trained / "model.pt"),
    } | settings


def voxels(path):
    return np.asarray(nib.load(path).dataobj)


def test_training_writes_a_model_of_four_channels_and_three_regions(trained):
    model = torch.load(trained / "model.pt", weights_only=True)
    assert model["backbone.patch_embed.proj.weight"].shape[1] == 4
    assert model["decoder.head.weight"].shape[0] == 3
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    (validation,) = [line["validation"] for line in log if "validation" in line]
    assert {f"dice/{name}" for name in ("whole tumour", "tumour core", "enhancing tumour")} < set(validation)
    assert validation["val_mean_dice"] == pytest.approx(
        np.mean([validation[f"dice/{name}"] for name in ("whole tumour", "tumour core", "enhancing tumour")])
    )
    steps = losses(trained)
    assert steps[12] < steps[1]


def test_sequences_in_another_order_give_the_same_labels(brains, trained, tmp_path):
    folder = brains / "BraTS2021_00001"
    files = [str(folder / f"BraTS2021_00001_{name}.nii.gz") for name in SEQUENCES]
    found = []
    for number, order in enumerate((files, files[::-1], [files[2], files[0], files[3], files[1]], str(folder))):
        output = tmp_path / str(number)
        run_here(["inference"], small(trained, dataset_dir=order, output_dir=str(output), overlay=False), bundle=BRATS)
        found.append(voxels(output / "BraTS2021_00001.nii.gz"))
    assert set(np.unique(found[0])) <= {0, 1, 2, 4}
    assert (found[0] > 0).any()
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    labels, source = nib.load(tmp_path / "0" / "BraTS2021_00001.nii.gz"), nib.load(files[0])
    assert labels.shape == source.shape
    np.testing.assert_array_equal(labels.affine, source.affine)


def test_a_file_of_the_decathlon_with_all_sequences_gives_the_same_labels(brains, trained, tmp_path):
    folder, task = brains / "BraTS2021_00001", tmp_path / "Task01_BrainTumour"
    images = [nib.load(folder / f"BraTS2021_00001_{name}.nii.gz") for name in ("flair", "t1", "t1ce", "t2")]
    (task / "imagesTs").mkdir(parents=True)
    joined = np.stack([np.asarray(image.dataobj) for image in images], axis=-1)
    nib.save(nib.Nifti1Image(joined, images[0].affine), task / "imagesTs" / "BRATS_001.nii.gz")
    content = {"modality": dict(enumerate(("FLAIR", "T1w", "t1gd", "T2w"))), "tensorImageSize": "4D", "training": []}
    content |= {"labels": {"0": "background", "1": "edema"}, "test": ["./imagesTs/BRATS_001.nii.gz"]}
    (task / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    found = []
    for name, source in (("BraTS2021_00001", folder), ("BRATS_001", task / "imagesTs")):
        settings = small(trained, dataset_dir=str(source), output_dir=str(tmp_path / name), overlay=False)
        run_here(["inference"], settings, bundle=BRATS)
        found.append(voxels(tmp_path / name / f"{name}.nii.gz"))
    np.testing.assert_array_equal(*found)


def test_labels_are_written_by_the_convention_asked_for(brains, trained, tmp_path):
    source = str(brains / "BraTS2021_00001")
    written = {}
    # weights of others, without a record
    write_weights(torch.load(trained / "model.pt", weights_only=True), tmp_path / "model.pt")
    for convention in ("brats2021", "brats2023", "msd"):
        output = tmp_path / convention
        overrides = small(tmp_path, dataset_dir=source, output_dir=str(output), overlay=False)
        run_here(["inference"], {**overrides, "label_convention": convention}, bundle=BRATS)
        written[convention] = voxels(output / "BraTS2021_00001.nii.gz")
    old = written["brats2021"]
    np.testing.assert_array_equal(written["brats2023"], np.where(old == 4, 3, old))
    np.testing.assert_array_equal(written["msd"], np.array([0, 2, 1, 0, 3])[old])


def test_the_segment_command_goes_on_after_an_incomplete_case(brains, trained, tmp_path, capsys):
    source, output = tmp_path / "in", tmp_path / "out"
    write_brats_case(source / "good", "good", names=NAMES_2023, enhancing=3)
    write_brats_case(source / "bad", "bad")["t2"].unlink()
    config = tmp_path / "small.json"
    config.write_text(json.dumps(small(trained)))
    # the overlay of a user lies beside the bundle's own
    arguments = ["segment", source, output, "--bundle", BRATS, "--overlay_config", config.with_suffix("")]
    with untouched_process(), pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 1
    printed = capsys.readouterr().out
    assert "2 cases: 1 ok, 1 failed" in printed
    assert re.search(r"^  bad   failed .* case bad in ", printed, re.MULTILINE)
    assert "t2 missing; found bad_flair.nii.gz" in printed
    names = set(visible(output))
    assert names == {"good.nii.gz", "good.json", "good.png", "summary.json", "summary.csv"}
    report = json.loads((output / "good.json").read_text(encoding="utf-8"))
    found = voxels(output / "good.nii.gz")
    assert {name: region["voxels"] for name, region in report["regions"].items()} == {
        "whole tumour": (found > 0).sum(),
        "tumour core": np.isin(found, (1, 4)).sum(),
        "enhancing tumour": (found == 4).sum(),
    }


def test_evaluation_reports_regions(brains, trained, tmp_path):
    overrides = small(trained, dataset_dir=str(brains), output_dir=str(tmp_path))
    run_here(["evaluate"], overrides, bundle=BRATS)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["organ"] for row in rows] == ["whole tumour", "tumour core", "enhancing tumour"]
    case = rows[0]["case"]
    found, label = voxels(tmp_path / f"{case}.nii.gz"), voxels(brains / case / f"{case}_seg.nii.gz")
    for row, members in zip(rows, ((1, 2, 4), (1, 4), (4,)), strict=True):
        masks = [np.isin(array, members) for array in (found, label)]
        expected = 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum())
        assert float(row["dice"]) == pytest.approx(expected, abs=1e-4)
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "comparisons" / f"{case}.png").exists()


def test_labels_of_another_year_stop_training(tmp_path):
    data = write_brats(tmp_path / "data", names=NAMES_2023, enhancing=3)
    output = tmp_path / "run"
    with pytest.raises(Exception, match=r".") as error:
        run_here(["train"], settings_of(data, output), bundle=BRATS)
    assert isinstance(cause(error.value), InputError)
    assert "contains label 3; 'brats2021' expects" in str(cause(error.value))
    stated = {**settings_of(data, output), "label_convention": "brats2023", "epochs": 1, "validation_interval": 1}
    run_here(["train"], {**stated, "iterations_per_epoch": 1}, bundle=BRATS)
    assert (output / "model.pt").exists()


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one_with_twice_the_batch(brains, tmp_path):
    one = {**settings_of(brains, tmp_path / "one"), "drop_path_rate": 0.0, "batch_size": 4}
    run_bundle(["train"], one, bundle=BRATS)
    two = {**settings_of(brains, tmp_path / "two"), "drop_path_rate": 0.0}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    run_bundle(["train", "multi_gpu_train"], two, launcher=torchrun, bundle=BRATS)
    expected, found = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert [found[i] for i in range(1, 7)] == pytest.approx([expected[i] for i in range(1, 7)], rel=1e-5)


def test_a_misspelt_key_is_an_error_with_a_suggestion(brains, tmp_path):
    with pytest.raises(Exception, match=r".") as error:
        run_here(["train"], {**settings_of(brains, tmp_path), "label_conventions": "brats2023"}, bundle=BRATS)
    assert "no key 'label_conventions': did you mean 'label_convention'?" in str(cause(error.value))
