"""The post-processing in the record of weights: applied by inference, `segment` and evaluation, and turned off."""

import json
from dataclasses import replace

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
from bundle_configs import SEGMENTATION, label_names, read
from bundle_data import write_data_of
from command_lines import AMOS
from in_process import command, run_here, untouched_process, write_laptop_model
from monai.bundle import ConfigParser
from scipy import ndimage

from meddino_components.checkpoints import read_record, write_with_record
from meddino_components.data.cases.region_conventions import regions_of_convention
from meddino_components.errors import InputError, unwrapped
from meddino_components.inference import LargestComponent, PostprocessLabelsd

LARGEST = [{"step": "largest_component", "connectivity": 3}]
OVERLAY = {"postprocess": {"aorta": [{"_target_": "meddino_components.inference.LargestComponent"}]}}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Random weights, which predict some organs in many parts."""
    path = tmp_path_factory.mktemp("model") / "bare.pt"
    write_laptop_model(path)
    return path


@pytest.fixture(scope="module")
def model(bare):
    path = bare.with_name("model.pt")
    steps = {"spleen": LARGEST, "duodenum": LARGEST}
    write_with_record(bare, path, replace(read_record(bare), postprocessing=steps))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data_of(AMOS, tmp_path_factory.mktemp("data"))


def inferred(data, model, output, **settings):
    """Labels and JSON of the first case."""
    source = data / "imagesTr" / "amos_0001.nii.gz"
    places = {"dataset_dir": str(source), "model_path": str(model), "output_dir": str(output)}
    run_here(["inference"], {**places, "modality": "ct", "overlay": False, **settings})
    return labels_and_report(output)


def labels_and_report(output, case="amos_0001"):
    report = json.loads((output / f"{case}.json").read_text(encoding="utf-8"))
    return np.asarray(nib.load(output / f"{case}.nii.gz").dataobj), report


def n_parts(labels, name):
    number = list(label_names(AMOS).values()).index(name)
    return ndimage.label(labels == number, np.ones((3, 3, 3)))[1]


def test_inference_applies_it_and_says_so(data, model, bare, tmp_path):
    raw, _ = inferred(data, bare, tmp_path / "raw")
    assert min(n_parts(raw, name) for name in ("spleen", "aorta", "duodenum")) > 1
    labels, report = inferred(data, model, tmp_path / "out")
    assert [n_parts(labels, name) for name in ("spleen", "duodenum")] == [1, 1]
    assert n_parts(labels, "aorta") == n_parts(raw, "aorta")
    assert set(np.unique(labels[labels != raw])) == {0}
    assert report["settings"]["postprocess"] == {"spleen": LARGEST, "duodenum": LARGEST}
    assert report["organs"]["spleen"]["voxels"] == (labels == 1).sum() < (raw == 1).sum()


def test_one_key_turns_it_off(data, model, bare, tmp_path):
    raw, _ = inferred(data, bare, tmp_path / "raw")
    off, report = inferred(data, model, tmp_path / "off", postprocess=False)
    assert np.array_equal(off, raw)
    assert report["settings"]["postprocess"] is None


def test_segment_applies_it_and_turns_it_off(data, model, bare, tmp_path):
    source = data / "imagesTr" / "amos_0001.nii.gz"
    words = (source, "--modality", "ct", "--model", model)
    assert command("segment", *words[:1], tmp_path / "on", *words[1:]) == 0
    assert command("segment", *words[:1], tmp_path / "off", *words[1:], "--nopostprocess") == 0
    on, off = (labels_and_report(tmp_path / name)[0] for name in ("on", "off"))
    assert (n_parts(on, "spleen"), n_parts(off, "spleen") > 1) == (1, True)
    assert np.array_equal(off, inferred(data, bare, tmp_path / "raw")[0])


def test_evaluation_scores_what_it_leaves_and_says_so(data, model, tmp_path):
    places = {"dataset_dir": str(data), "model_path": str(model), "output_dir": str(tmp_path / "out"), "modality": "ct"}
    run_here(["evaluate"], {**places, "section": "all_labelled", "overlay": False})
    labels, _ = labels_and_report(tmp_path / "out")
    assert n_parts(labels, "spleen") == 1
    assert np.array_equal(labels, inferred(data, model, tmp_path / "inferred")[0])
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["settings"]["postprocess"] == {"spleen": LARGEST, "duodenum": LARGEST}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<dt>postprocess</dt><dd>{&#39;duodenum&#39;: [{&#39;step&#39;: &#39;largest_component&#39;" in page


def test_typed_steps_are_those_of_weights_without_any(data, model, bare, tmp_path):
    labels, report = inferred(data, bare, tmp_path / "typed", **OVERLAY)
    assert (n_parts(labels, "aorta"), n_parts(labels, "spleen") > 1) == (1, True)
    assert report["settings"]["postprocess"] == {"aorta": LARGEST}
    with pytest.raises(InputError, match="its record contradicts these settings: postprocess is"), unwrapped():
        inferred(data, model, tmp_path / "contradicting", **OVERLAY)
    misspelt = {"postprocess": {"aotra": OVERLAY["postprocess"]["aorta"]}}
    with pytest.raises(InputError, match="postprocess names 'aotra': did you mean 'aorta'"), unwrapped():
        inferred(data, bare, tmp_path / "misspelt", **misspelt)
    with pytest.raises(InputError, match=r"postprocess.*True"), unwrapped():
        inferred(data, bare, tmp_path / "wrong", postprocess=True)


def test_chosen_on_evaluations_written_into_weights_and_applied(data, model, bare, tmp_path):
    places = {"dataset_dir": str(data), "modality": "ct", "section": "all_labelled", "overlay": False}
    run_here(["evaluate"], {**places, "model_path": str(bare), "output_dir": str(tmp_path / "evaluation")})
    words = [tmp_path / "evaluation", "--dataset_dir", data, "--output_dir", tmp_path, "--margin", "0"]
    assert command("choose_postprocessing", *words, "--model", bare, "--write", tmp_path / "new.pt") == 0
    chosen = read_record(tmp_path / "new.pt").postprocessing
    overlay = json.loads((tmp_path / "postprocessing.json").read_text(encoding="utf-8"))["postprocess"]
    assert list(chosen) == sorted(overlay)
    after = tmp_path / "after"
    run_here(["evaluate"], {**places, "model_path": str(tmp_path / "new.pt"), "output_dir": str(after)})
    scores = [
        json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["organs"]
        for folder in (tmp_path / "evaluation", after)
    ]
    assert all(scores[1][organ]["dice"]["mean"] > scores[0][organ]["dice"]["mean"] for organ in chosen)
    # what was post-processed is no ground to choose on; and the file is an overlay of inference.json
    assert command("choose_postprocessing", after, *words[1:]) == 2
    files = [str(AMOS / "configs" / "inference.json"), str(tmp_path / "postprocessing.json")]
    source = str(data / "imagesTr" / "amos_0001.nii.gz")
    with untouched_process():
        monai.bundle.run(
            config_file=files, dataset_dir=source, model_path=str(bare), output_dir=str(tmp_path / "out"), modality="ct"
        )
    labels = np.asarray(nib.load(tmp_path / "out" / "amos_0001.nii.gz").dataobj)
    assert np.array_equal(labels, inferred(data, tmp_path / "new.pt", tmp_path / "recorded")[0])


@pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)
def test_scoring_with_dropout_leaves_probabilities_as_they_are(bundle):
    """MONAI Label's epistemic scoring runs the postprocessing on probabilities."""
    published = read(bundle, "inference")["published"]
    if "label_names" in published:
        organ = published["label_names"][1]
    else:
        organ = regions_of_convention(published["label_convention"]).names[0]
    found = []
    for dropout in (0.0, 0.2):
        parser = ConfigParser(read(bundle, "inference"))
        parser.update({"check": None, "network_def::dropout": dropout, "bundle_root": str(bundle)})
        steps = {organ: OVERLAY["postprocess"]["aorta"]}
        parser.update({"model_path": str(bundle / "models" / "absent.pt"), "postprocess": steps})
        first = parser.get_parsed_content("postprocessing").transforms[0]
        assert isinstance(first, PostprocessLabelsd)
        found.append(first.steps)
    assert found == [{organ: (LargestComponent(),)}, {}]
