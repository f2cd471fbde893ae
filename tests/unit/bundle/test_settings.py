"""What is set is what a key takes: converted where that is plain, else one line with the key and what is expected."""

import math

import numpy as np
import pytest
import torch
import yaml

from meddino_components.bundle.keys import KEYS
from meddino_components.bundle.settings import read_settings, takes
from meddino_components.bundle.verbatim import Verbatim
from meddino_components.errors import InputError

OWN = {
    "epochs": 1000,
    "roi_size": [896, 896],
    "amp": {"_target_": "x.supports"},
    "fold": 0,
    "checkpoint_kept_every": None,
    "dataset_dir": "",
    "network_def": {"_target_": "meddino_components.networks.MedDinoSegmenter"},
    "loss": {"_target_": "x.Loss"},
}


def read(key, value, own=OWN, **settings):
    return read_settings({**OWN, key: value}, own, **settings).get(key, value)


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("learning_rate", yaml.safe_load("1e-4"), 1e-4),  # a text by YAML 1.1
        ("learning_rate", 1, 1),
        ("epochs", "3", 3),
        ("epochs", 3.0, 3),
        ("epochs", "1e3", 1000),
        ("epochs", np.int64(3), 3),
        ("fold", "0", 0),
        ("roi_size", 64, [64, 64]),
        ("roi_size", "64", [64, 64]),
        ("roi_size", (64, 96), [64, 96]),
        ("roi_size", "[64, 96]", [64, 96]),
        ("roi_size", ["64", 96.0], [64, 96]),
        ("pixdim", 2, [2, 2]),
        ("pixdim", ["1.5", "2e0"], [1.5, 2.0]),
        ("betas", ["0.9", 0.98], [0.9, 0.98]),
        ("channel_names", "ct", ["ct"]),
        ("modality", "CT", "ct"),
        ("dataset_dir", 4711, "4711"),
        ("dataset_dir", ["a", 7], ["a", "7"]),
        ("device", "cpu", torch.device("cpu")),
        ("resume", "out/checkpoint.pt", "out/checkpoint.pt"),
        ("resume", True, True),
        ("global_crops_size", [64, "96"], [64, 96]),
        ("fingerprint", {"mean": "60", "_desc_": "x"}, {"mean": 60.0, "_desc_": "x"}),
        ("label_names", {"0": "background", "1": "liver"}, {0: "background", 1: "liver"}),
        ("checkpoint_kept_every", None, None),
    ],
)
def test_what_is_meant(key, value, meant):
    assert read(key, value) == meant
    assert type(read(key, value)) is type(meant)
    assert value is None or takes(key, value)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("epochs", 2.5, "a whole number of at least 1"),
        ("epochs", 0, "a whole number of at least 1"),
        ("epochs", -3, "a whole number of at least 1"),
        ("epochs", True, "a whole number of at least 1"),
        ("epochs", None, "a whole number of at least 1"),
        ("epochs", "many", "a whole number of at least 1"),
        ("epochs", [3], "a whole number of at least 1"),
        ("epochs", math.nan, "a whole number"),
        ("epochs", math.inf, "a whole number"),
        ("batch_size", "8 per GPU", "a whole number of at least 1"),
        ("num_workers", -1, "a whole number of at least 0"),
        ("learning_rate", math.nan, "a number above 0"),
        ("learning_rate", "nan", "a number above 0"),
        ("learning_rate", 0, "a number above 0"),
        ("learning_rate", -1e-4, "a number above 0"),
        ("learning_rate", "fast", "a number above 0"),
        ("foreground_fraction", 33, "a number from 0 to 1"),
        ("sw_overlap", 1, "a number from 0 to 0.999999"),
        ("drop_path_rate", 1.5, "a number from 0"),
        ("amp", "yes", "True or False"),
        ("amp", 1, "True or False"),
        ("amp", None, "True or False"),
        ("progress", "off", "True or False"),
        ("overlay", [], "True or False"),
        ("device", "gpu", "a device of this machine, such as cpu"),
        ("device", "cuda:99", "a device of this machine"),
        ("roi_size", [64], "rows and columns in pixels"),
        ("roi_size", [64, 64, 64], "rows and columns in pixels"),
        ("roi_size", -64, "rows and columns in pixels"),
        ("roi_size", [64, 0], "rows and columns in pixels"),
        ("roi_size", [64, None], "rows and columns in pixels"),
        ("roi_size", "64 x 64", "rows and columns in pixels"),
        ("roi_size", [64, 64.5], "rows and columns in pixels"),
        ("roi_size", {"rows": 64}, "rows and columns in pixels"),
        ("pixdim", [0.5, 0], "rows and columns in mm"),
        ("pixdim", [0.5, math.nan], "rows and columns in mm"),
        ("betas", [0.9, 1.0], "two numbers from 0 to below 1"),
        ("betas", 0.9j, "two numbers"),
        ("context_slices", 2, "one of 1, 3"),
        ("axcodes", "RAS", r"PLS \(axial\), ILP \(coronal\) or IPL \(sagittal\)"),
        ("axcodes", None, r"PLS \(axial\)"),
        ("mask_ratio", [0.5, 0.1], "two numbers from 0 to 1, the smaller first"),
        ("mirror_axes", [2], r"a list of 0 \(rows\) and 1 \(columns\)"),
        ("modality", "pet", "one of ct, mr, DICOM tag, or a mapping"),
        ("section", "val", "one of training, validation, all_labelled, official_validation, test"),
        ("dataset_layout", "nnunet", "one of amos, nnunet_raw, msd, kits23, .*, joined, picture_masks or None"),
        ("gantry_tilt", True, "one of refuse, resample"),
        ("output_dir", True, "a path"),
        ("output_dir", None, "a path"),
        ("dataset_dir", {"a": 1}, "a path, or a list of paths"),
        ("fingerprint", {"mean": "high"}, "a mapping of numbers, as `plan` writes it or None"),
        ("fingerprint", "none", "a mapping of numbers"),
        ("random_start", "vit_base", "a mapping"),
        ("loss", "DiceLoss", r"a component, \{'_target_': ...\}"),
        ("loss", None, "a component"),
        ("seed", -1, "a whole number from 0 to"),
        ("seed", 2**40, "a whole number from 0 to"),
    ],
)
def test_what_is_refused_by_name(key, value, expected):
    with pytest.raises(InputError, match=rf"^'{key}' is .*; expected .*{expected}"):
        read(key, value)


@pytest.mark.parametrize("text", ["true", "False"])
def test_truth_values_as_text(text):
    with pytest.raises(InputError, match=f"'amp' is the text '{text}': write {text.capitalize()}, with a capital"):
        read("amp", text)


@pytest.mark.parametrize(
    ("side", "near"), [(100, r"\[96, 96\]"), (130, r"\[128, 128\]"), (3, r"\[16, 16\]"), ([64, 72], r"\[64, 64\]")]
)
def test_sides_are_multiples_of_the_encoders_patches(side, near):
    with pytest.raises(InputError, match=f"'roi_size' is .* expected multiples of 16, such as {near}"):
        read("roi_size", side)
    # another network may take it
    config = {**OWN, "roi_size": side, "network_def": {"_target_": "UNet"}}
    read_settings(config, OWN)


def test_what_is_left_alone():
    for value in ("$@a + 1", "@fold", "%fold", {"_target_": "x.y"}, Verbatim("p")):
        assert read("epochs", value) == value
    # what the bundle itself has, what fire took for a number, and any None where the bundle is not found
    assert read_settings(OWN, OWN) == {}
    assert read("dataset_dir", 20240105, as_typed={"dataset_dir"}) == 20240105
    with pytest.raises(InputError, match="expected one of refuse, resample"):
        read("gantry_tilt", "resampl", as_typed={"gantry_tilt"})
    assert read("epochs", None, own=None) is None
    assert read("unknown_one", object) is object


def test_each_key_says_what_it_expects():
    # dataset_layout names all layouts, however many there are
    texts = {key: kind.expected for key, kind in KEYS.items() if key != "dataset_layout"}
    assert all(text and len(text) < 90 for text in texts.values())
