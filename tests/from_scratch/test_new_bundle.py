"""A bundle made by `new_bundle` in a checkout: trained at once, and covered by the tests of bundles as it is."""

import json
import re
import sys

import numpy as np
import pytest
from bundle_data import WRITERS, small_case
from command_lines import REPOSITORY, bundle_command, losses, run_preloaded
from shown_files import shown_files
from tiny_settings import TINY
from volume_files import save_nifti

from meddino_components.bundle.release_checks import UNSTATED
from meddino_components.checkpoints import read_record

NAMES = {0: "background", 1: "liver", 2: "tumour"}
SHORT = {**TINY, "epochs": 1, "validation_interval": 1}


def run(checkout, *command):
    """Run ``python ...`` in the checkout with the checkout's own components."""
    done = run_preloaded(sys.executable, *command, cwd=checkout, variables={"PYTHONPATH": str(checkout)})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def new_bundle(checkout, *arguments):
    return run(checkout, "-m", "meddino_components", "new_bundle", *map(str, arguments))


def train(checkout, name, data, **settings):
    bundle = checkout / "bundles" / name
    _, *command = bundle_command(
        ["train"], {**SHORT, "dataset_dir": str(data), **settings}, bundle=bundle, run_id="training"
    )
    run(checkout, *command)
    return bundle / "output"


def test_trains_at_once_on_the_data_set_that_it_was_made_for(checkout, tmp_path):
    data = WRITERS["msd"](tmp_path / "data", NAMES, "mr", 5)
    said = new_bundle(checkout, "my_liver", "--dataset_dir", data, "--modality", "mr")
    assert "bundles/my_liver/docs/data_license.txt" in said
    output = train(checkout, "my_liver", data)
    assert len(losses(output)) == 3
    record = read_record(output / "model.pt")
    assert (record.bundle, dict(record.labels), record.modality) == ("my_liver", NAMES, "mr")
    assert record.data["layout"] == "msd"


def test_a_layout_of_ones_own_as_contributing_shows_it(checkout, tmp_path):
    for file in shown_files(REPOSITORY / "CONTRIBUTING.md")["A data set in a new layout"]:
        file.write(checkout)
    for number in range(5):
        image, labels = small_case(number, NAMES, "ct")
        save_nifti(tmp_path / "data" / f"case_{number}" / "ct.nii.gz", image, spacing_mm=(6, 6, 10))
        save_nifti(tmp_path / "data" / f"case_{number}" / "labels.nii.gz", labels, spacing_mm=(6, 6, 10))
    new_bundle(checkout, "mine", "--dataset_dir", tmp_path / "data", "--label_names", str(list(NAMES.values())))
    settings = json.loads((checkout / "bundles/mine/configs/train.json").read_text(encoding="utf-8"))
    assert (settings["dataset_layout"], settings["modality"]) == ("case_folders", "ct")
    output = train(checkout, "mine", tmp_path / "data")
    assert all(np.isfinite(loss) for loss in losses(output).values())
    assert read_record(output / "model.pt").data["layout"] == "case_folders"
    assert "case_folders" in (checkout / "docs" / "settings.md").read_text(encoding="utf-8")


def test_a_loss_becomes_part_of_the_project_by_four_files(checkout, phantoms):
    (file,) = shown_files(REPOSITORY / "CONTRIBUTING.md")["A segmentation loss"]
    losses_room, layer = checkout / "meddino_components/losses", checkout / "bundles/meddinov3_seg_amos/sources"
    (losses_room / "tversky.py").write_text(file.text, encoding="utf-8")
    exports = (losses_room / "__init__.py").read_text(encoding="utf-8")
    exports = exports.replace("\n__all__ = [", "from .tversky import Tversky\n\n__all__ = [\n    'Tversky',", 1)
    (losses_room / "__init__.py").write_text(exports, encoding="utf-8")
    with (layer / "dataset_training.yaml").open("a", encoding="utf-8") as text:
        text.write('loss: {_target_: meddino_components.losses.Tversky, num_classes: "@num_labels"}\n')
    # the fourth is its test; all else is generated
    run(checkout, "-m", "meddino_components", "build")
    listed = json.loads((checkout / "meddino_components/bundle/components.json").read_text(encoding="utf-8"))
    assert "meddino_components.losses.Tversky" in listed
    said = "from meddino_components.bundle.allowed import is_component as known; "
    said += "print(known('meddino_components.losses.Tversky'), known('meddino_components.losses.KoLeoLoss'))"
    assert run(checkout, "-c", said).split() == ["True", "False"]
    output = train(checkout, "meddinov3_seg_amos", phantoms)
    assert all(0.5 < loss < 1 for loss in losses(output).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--dataset_layout", "nnunet_raw", "--modality", "ct", "--label_names", "['background', 'kidney', 'tumour']"],
        ["--dataset_layout", "dicom", "--label_names", "['background', 'target']"],
        ["--dataset_layout", "brats", "--like", "meddinov3_seg_brats"],
    ],
    ids=lambda arguments: arguments[1],
)
def test_the_tests_of_bundles_cover_it(checkout, arguments):
    new_bundle(checkout, "stranger", *arguments)
    tests = ["tests/bundle", "tests/house/test_imports.py", "-k", "stranger or page_is_as or shipped_configurations"]
    said = run(checkout, "-m", "pytest", "-p", "no:cacheprovider", *tests)
    assert int(re.search(r"(\d+) passed", said)[1]) > 60, said[-2000:]


@pytest.mark.slow
def test_is_released_once_its_author_has_stated_what_is_asked_for(checkout):
    new_bundle(checkout, "mine", "--dataset_layout", "amos")
    package = [sys.executable, "-m", "meddino_components", "package", "bundles/mine"]
    done = run_preloaded(*package, cwd=checkout, variables={"PYTHONPATH": str(checkout)})
    assert done.returncode == 2
    assert f"docs/data_license.txt: holds '{UNSTATED}'" in done.stderr
    for name in ("configs/metadata.json", "docs/README.md", "docs/data_license.txt"):
        path = checkout / "bundles" / "mine" / name
        path.write_text(path.read_text(encoding="utf-8").replace(UNSTATED, "stated"), encoding="utf-8")
    run(checkout, *package[1:])
    assert (checkout / "dist" / "mine_v0.1.0.zip").is_file()
